"""Turns a streamed answer into a whole one, and a whole one into a few chunks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from callgate.core.chat import Chunk, Json
from callgate.core.response import ChatResponse
from callgate.errors import GatewayError

MAX_CHARACTERS = 16 << 20
"""The longest answer that is gathered; a chunk counts as `_PER_CHUNK` beside its texts."""

_PER_CHUNK = 16
_SPOKEN = frozenset(
    {"content", "reasoning_content", "reasoning", "refusal", "arguments", "data", "transcript",
     "input"}
)  # fmt: skip
"""Fields whose pieces are joined; of other texts, such as names and ids, the last one counts."""


class Accumulator:
    """Takes the chunks of one stream; `answer` is the whole.

    https://platform.openai.com/docs/api-reference/chat-streaming
    """

    def __init__(self) -> None:
        self._choices: dict[int, Json] = {}
        self._pieces: dict[int, Json] = {}
        self._first: Chunk | None = None
        self._extra: Json = {}
        self._left = MAX_CHARACTERS

    def take(self, chunks: Sequence[Chunk]) -> None:
        """Add the next chunks. Raises GatewayError `bad_upstream_reply` for too long an answer."""
        for chunk in chunks:
            self._first = self._first or chunk
            self._extra.update(chunk.extra)
            self._left -= _PER_CHUNK
            for choice in chunk.choices:
                self._choice(choice)
        if self._left < 0:
            raise GatewayError("bad_upstream_reply", "The provider's answer is too long.")

    def answer(self) -> ChatResponse:
        """The whole answer. Raises GatewayError `bad_upstream_reply` where nothing came."""
        first = self._first
        if first is None or not self._choices:
            raise GatewayError("bad_upstream_reply", "The provider's stream contained no answer.")
        return ChatResponse(
            id=first.id,
            created=first.created,
            model=first.model,
            choices=[
                {**self._choices[at], "message": _joined(self._pieces[at])}
                for at in sorted(self._choices)
            ],
            extra=self._extra,
        )

    def _choice(self, choice: Json) -> None:
        index = choice.get("index", 0)
        known = self._choices.setdefault(index, {"index": index, "finish_reason": None})
        pieces = self._pieces.setdefault(index, {"role": "assistant", "content": None})
        for name, value in choice.items():
            if name == "delta":
                self._merge(pieces, value)
            elif name == "logprobs" and isinstance(known.get(name), dict):
                self._merge(known[name], value or {})
            elif value is not None or name not in known:
                known[name] = value

    def _merge(self, known: Json, piece: Json) -> None:
        """Add a piece of an object; texts are kept as lists of pieces, which `_joined` joins."""
        for name, value in piece.items():
            before = known.get(name)
            if isinstance(value, str) and name in _SPOKEN:
                self._left -= len(value)
                if isinstance(before, _Pieces):
                    before.append(value)
                else:
                    known[name] = _Pieces([value])
            elif name == "tool_calls" and isinstance(value, list):
                if not isinstance(before, _Calls):  # null, as some servers begin
                    before = known[name] = _Calls()
                self._calls(before, value)
            elif isinstance(value, dict):
                if type(before) is not dict:  # which the calls of tools are not
                    before = known[name] = {}
                self._merge(before, value)
            elif isinstance(value, list):
                self._left -= _PER_CHUNK * len(value)
                if type(before) is list:  # which the pieces of a text are not
                    before.extend(value)
                else:
                    known[name] = list(value)
            elif value is not None or name not in known:
                known[name] = value

    def _calls(self, known: _Calls, fragments: Sequence[Json]) -> None:
        for fragment in fragments:
            at = fragment.get("index", len(known))
            self._left -= _PER_CHUNK
            self._merge(
                known.setdefault(at, {}),
                {name: value for name, value in fragment.items() if name != "index"},
            )


class _Pieces(list[str]):
    """The pieces of one text."""


class _Calls(dict[int, Json]):
    """The tool calls of one message, by index."""


def _joined(value: Any) -> Any:
    if isinstance(value, _Pieces):
        return "".join(value)
    if isinstance(value, _Calls):
        return [_joined(value[at]) for at in sorted(value)]
    if isinstance(value, dict):
        return {name: _joined(item) for name, item in value.items()}
    return value


def as_chunks(answer: ChatResponse) -> list[Chunk]:
    """A whole answer as one chunk with all that was said, and one that finishes it."""
    said: list[Json] = []
    ends: list[Json] = []
    for choice in answer.choices:
        message = dict(choice["message"])
        if isinstance(message.get("tool_calls"), list):
            message["tool_calls"] = [
                {"index": at, **call} for at, call in enumerate(message["tool_calls"])
            ]
        rest = {name: value for name, value in choice.items() if name not in _ENDING}
        said.append({**rest, "delta": message, "finish_reason": None})
        end = {name: choice[name] for name in _ENDING if name in choice and name != "message"}
        ends.append({"index": choice.get("index", 0), "delta": {}, **end})
    first = Chunk(
        choices=said,
        id=answer.id,
        created=answer.created,
        model=answer.model,
        extra=answer.extra,
    )
    return [first, msgspec.structs.replace(first, choices=ends, extra={})]


_ENDING = ("message", "finish_reason", "native_finish_reason")
