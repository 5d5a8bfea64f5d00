"""Streamed answers of the OpenAI dialect.

https://platform.openai.com/docs/api-reference/chat-streaming
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from callgate.core.chat import Chunk, Json, Usage
from callgate.core.jsontext import parse
from callgate.core.sse import Event
from callgate.core.target import Target
from callgate.core.template import marked
from callgate.errors import GatewayError
from callgate.providers.openai.answer import (
    finish,
    flatten,
    integer,
    usage_of,
)
from callgate.providers.openai.calls import ToolCalls
from callgate.providers.openai.errors import from_object
from callgate.providers.streaming import EventStream, cut

MAX_CHOICES: Final = 128

_DONE: Final = b"[DONE]"
_TEXT: Final = re.compile(
    rb'"(?:content|reasoning_content|reasoning)" ?: ?"((?:[^"\\]|\\.)+)"', re.DOTALL
)
# https://platform.openai.com/docs/api-reference/chat/create (`include_obfuscation`); Mistral's `p`
_PADDING: Final = re.compile(rb'"(?:obfuscation|p)" ?: ?"([^"\\]*)"')
_WHOLE = ("tool_calls", "stop")  # with other reasons, what is missing was cut off


class StreamDecoder(EventStream):
    """Decodes one stream; see `providers.base.ChunkDecoder`."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._finished: dict[int, bool] = {}  # the choices that began
        self._calls: dict[int, ToolCalls] = {}
        self._held: Json = {}
        self._counted = False  # whether the server has told how much it wrote

    def close(self) -> Sequence[Chunk]:
        """See `providers.base.ChunkDecoder`; a whole answer in place of a stream is one chunk."""
        if self._body and not self.done and self.failure is None:
            try:
                told = self._read("", parse(bytes(self._body)))
            except ValueError:
                told = None
            if told is not None and self.finished:
                self.done = True
                return (told,)
        return super().close()

    def _conclude(self, events: Sequence[Event]) -> Sequence[Chunk]:
        skipped = self.skipped
        chunks = self._chunks(events)
        self.skipped = skipped  # what breaks off within an event is cut, not malformed
        if self.failure is not None:
            raise self.failure
        if not self.done and not (self._finished and all(self._finished.values())):
            raise cut()
        self.done = True
        return chunks

    def _refusal(self, value: object) -> GatewayError | None:
        if isinstance(value, list) or (isinstance(value, dict) and value.get("error")):
            return from_object(value, self._target)
        return None

    def _marked(self, data: bytes) -> bytes:
        return marked(data, _TEXT, _PADDING)

    def _plain(self, name: str, body: object) -> Chunk | None:
        if type(body) is not dict or name == "error" or body.get("error") or self._held:
            return None
        choices = body.get("choices")
        if type(choices) is not list or len(choices) != 1 or type(choices[0]) is not dict:
            return None
        choice = choices[0]
        index, delta = choice.get("index"), choice.get("delta")
        if type(index) is not int or index not in self._finished or type(delta) is not dict:
            return None
        if choice.get("finish_reason") or "error" in choice or delta.get("tool_calls"):
            return None
        if body.get("usage") is not None or "x_groq" in body:
            return None
        return self._read(name, body)

    def _chunks(self, events: Sequence[Event]) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        try:
            self._take(events, chunks)
        except GatewayError as error:
            if not chunks:
                raise
            self.failure = error
        return chunks

    def _take(self, events: Sequence[Event], chunks: list[Chunk]) -> None:
        for name, data in events:
            if data == _DONE:
                self._end()
                break
            known = len(self._finished)
            try:
                chunk = self._read(name, parse(data))
            except ValueError:
                self._forget(known)
                if lines := _apart(data):
                    self._take([(name, line) for line in lines], chunks)
                elif data.strip() == _DONE:
                    self._end()
                elif data.strip():  # a blank one is a sign of life
                    self._skip(data)
                if self.done:
                    break
            else:
                if chunk is not None:
                    chunks.append(chunk)

    def _calling(self) -> bool:
        return bool(self._calls)

    def _forget(self, known: int) -> None:
        """An event is skipped as a whole: the choices that it began have not begun."""
        while len(self._finished) > known:
            self._finished.popitem()
        self.finished = known > 0 and all(self._finished.values())

    def _read(self, name: str, body: object) -> Chunk | None:
        """Make a chunk of an event's JSON. Raises ValueError where it has not the shape of one."""
        if type(body) is not dict:
            raise ValueError("no object")
        choices = body.pop("choices", None)
        if name == "error" or body.get("error") or (choices is None and body.get("message")):
            raise from_object(body, self._target)
        if choices is None and ("usage" in body or body.get("object") == "chat.completion.chunk"):
            choices = []
        if type(choices) is not list:
            raise ValueError("no choices")
        ending = False
        for choice in choices:
            if type(choice) is not dict:
                raise ValueError("a choice that is not an object")
            index, delta = choice.get("index"), choice.get("delta")
            if (
                type(index) is not int
                or type(delta) is not dict
                or index not in self._finished
                or "role" in delta
            ):
                index, delta = self._begin(choice, choices)
            if choice.get("finish_reason") or "error" in choice:
                ending = True
                self._finish(choice)
            else:
                choice["finish_reason"] = None
            if (
                type(delta.get("content")) is list
                or "tool_calls" in delta
                or choice.get("logprobs") is not None
            ):
                self._rework(choice, delta, index, body)
        if ending:  # marked last, since an event that is skipped has ended nothing
            self._mark(choices)
        usage = body.pop("usage", None)
        if usage is not None or "x_groq" in body:
            usage = _usage(usage, body)
            self._counted = self._counted or (usage is not None and usage.output_tokens > 0)
        return self._made(body, choices, usage)

    def _made(self, body: Json, choices: list[Json], usage: Usage | None) -> Chunk | None:
        body.pop("object", None)
        id_, created, model = body.pop("id", ""), body.pop("created", 0), body.pop("model", "")
        if not choices and usage is None:
            if not self._finished:  # Azure opens with the results of its prompt filter
                self._held = body
            return None
        if self._held:
            body = {**self._held, **body}
            self._held = {}
        return Chunk(
            choices=choices,
            usage=usage,
            id=id_ if type(id_) is str else "",
            created=created if type(created) is int else integer(created),
            model=model if type(model) is str else "",
            extra=body,
        )

    def _begin(self, choice: Json, choices: list[Json]) -> tuple[int, Json]:
        """Complete the first piece of a choice, or one that lacks its index or its delta, and take
        from later ones the role: OpenAI's SDK for Python would string the roles together.
        """
        index, delta = choice.get("index"), choice.get("delta")
        if type(index) is not int:
            index = choice["index"] = choices.index(choice)
        if type(delta) is not dict:  # Azure, where the content filter alone has spoken
            whole = choice.pop("message", None)  # servers that answer at once, though as a stream
            delta = choice["delta"] = whole if type(whole) is dict else {}
        if index not in self._finished:
            if len(self._finished) >= MAX_CHOICES:
                raise self._bad("too many choices")
            self._finished[index] = self.finished = False
            if not delta.get("role"):  # null, or empty (MiniMax, GLM)
                delta["role"] = "assistant"
        elif "role" in delta:  # said again with each piece, as OpenRouter does
            del delta["role"]
        return index, delta

    def _mark(self, choices: list[Json]) -> None:
        for choice in choices:
            reason = choice["finish_reason"]
            if reason is not None:
                self._finished[choice["index"]] = True
                if reason in _WHOLE and choice["index"] in self._calls:
                    self._calls[choice["index"]].complete(choice["delta"])
                    if not self._target.deployment.vendor.stops_at_calls:
                        choice["finish_reason"] = "tool_calls"
        self.finished = all(self._finished.values())

    def _finish(self, choice: Json) -> None:
        if choice.get("error"):
            raise from_object(choice, self._target)
        finish(choice, choice.get("finish_reason"))

    def _rework(self, choice: Json, delta: Json, index: int, body: Json) -> None:
        if type(delta.get("content")) is list:
            flatten(delta, delta["content"])
        if delta.get("tool_calls"):
            calls = self._calls.setdefault(index, ToolCalls())
            calls.place(delta["tool_calls"], f"{body.get('id') or body.get('created')}_{index}")
        if "logprobs" in choice and type(choice["logprobs"]) is not dict:
            choice["logprobs"] = None  # OpenRouter hands on Together's bare number

    def _end(self) -> None:
        if not self._finished:
            raise self._bad("a stream without an answer")
        if not self.finished and not self._may_be_whole():
            raise cut()
        self.done = True

    def _may_be_whole(self) -> bool:
        """Whether the mark of the end will do for an answer of which nobody said why it ended.

        It is sent after failures, too. OpenAI tells no reason with audio but counts what it wrote;
        some servers, such as Workers AI, tell nothing. Calls, which are carried out, need a reason.
        """
        if self._calls or any(self._finished.values()):
            return False
        return self._counted or not self._target.deployment.vendor.gives_reason


def _usage(usage: object, body: Json) -> Usage | None:
    groq = body.get("x_groq")
    return usage_of(usage) or usage_of(groq.get("usage") if type(groq) is dict else None)


def _apart(data: bytes) -> list[bytes]:
    """The events that a server has sent without the blank lines between; none if it is but one.

    Some servers do so with the pieces of a tool call.
    """
    lines = [line for line in data.split(b"\n") if line.strip()]
    if len(lines) < 2:
        return []
    try:
        whole = all(line.strip() == _DONE or type(parse(line)) is dict for line in lines)
    except ValueError:
        return []
    return lines if whole else []
