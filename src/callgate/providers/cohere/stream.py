"""Streamed answers of Cohere.

https://docs.cohere.com/docs/streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from callgate.core.chat import Chunk, Json
from callgate.core.jsontext import parse
from callgate.core.sse import Event
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.cohere.answer import (
    FAILED,
    annotation,
    call_of,
    finish_reason,
    logprobs_of,
    usage_of,
)
from callgate.providers.cohere.errors import from_object
from callgate.providers.streaming import EventStream, cut
from callgate.providers.strict import Malformed, inner, listed, string

MAX_CALLS = 512
MAX_BLOCKS = 512


class StreamDecoder(EventStream):
    """Decodes one stream; see `providers.base.ChunkDecoder`."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._role: Json = {"role": "assistant"}
        self._id = ""
        self._length = 0  # characters of the content
        self._starts: dict[int, int] = {}  # where in it a block of text begins
        self._calls: dict[int, list[Any]] = {}  # their index -> ours, and whether arguments came

    def _refusal(self, value: object) -> GatewayError | None:
        if isinstance(value, dict) and isinstance(value.get("message"), str):
            return from_object(value, self._target)
        return None

    def _conclude(self, events: Sequence[Event]) -> Sequence[Chunk]:
        """What breaks off within an event is cut, not malformed."""
        chunks: Sequence[Chunk] = ()
        try:
            chunks = self._chunks(events)
        except GatewayError as error:
            if error.kind.type != "bad_upstream_reply":
                raise
        if not self.done:
            raise cut()
        return chunks

    def _chunks(self, events: Sequence[Event]) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        try:
            for _, data in events:
                chunk = self._read(data)
                if chunk is not None:
                    chunks.append(chunk)
                if self.done:
                    break
        except GatewayError as error:
            if not chunks:
                raise
            self.failure = error
        return chunks

    def _read(self, data: bytes) -> Chunk | None:
        if data.strip() in (b"[DONE]", b""):
            return None
        try:
            event = inner(parse(data))
            kind = event.get("type")
            if kind is None and isinstance(event.get("message"), str):
                raise from_object(event, self._target)
            reader = _READERS.get(kind) if isinstance(kind, str) else None
            return None if reader is None else reader(self, event)
        except Malformed as error:
            raise self._bad(f"{error} in a stream") from None
        except ValueError:
            self._skip(data)
            return None

    def _start(self, event: Json) -> Chunk | None:
        id_ = event.get("id")
        self._id = id_ if isinstance(id_, str) else ""
        return None

    def _plan(self, event: Json) -> Chunk | None:
        return self._say("content", string(_message(event).get("tool_plan", "")))

    def _content(self, event: Json) -> Chunk | None:
        content = inner(_message(event).get("content"))
        if content.get("thinking"):
            return self._say("reasoning_content", string(content["thinking"]))
        text, block = string(content.get("text") or ""), event.get("index")
        if text and type(block) is int and len(self._starts) < MAX_BLOCKS:
            self._starts.setdefault(block, self._length)
        chunk = self._say("content", text)
        if chunk is not None and event.get("logprobs") is not None:
            chunk.choices[0]["logprobs"] = logprobs_of([event["logprobs"]])
        return chunk

    def _call(self, event: Json) -> Chunk | None:
        call, theirs = call_of(_message(event).get("tool_calls")), _index(event)
        if theirs in self._calls or len(self._calls) >= MAX_CALLS:
            raise Malformed("a tool call that began before, or one too many")
        self._calls[theirs] = [len(self._calls), bool(call["function"]["arguments"])]
        return self._chunk({"tool_calls": [{"index": self._calls[theirs][0], **call}]})

    def _arguments(self, event: Json) -> Chunk | None:
        fragment = inner(_message(event).get("tool_calls"))
        text = string(inner(fragment.get("function")).get("arguments") or "")
        call = self._calls.get(_index(event))
        if call is None:
            raise Malformed("arguments without a call")
        if not text:
            return None
        call[1] = True
        return self._chunk({"tool_calls": [{"index": call[0], "function": {"arguments": text}}]})

    def _call_end(self, event: Json) -> Chunk | None:
        call = self._calls.get(_index(event))
        if call is None or call[1]:
            return None
        call[1] = True
        return self._chunk({"tool_calls": [{"index": call[0], "function": {"arguments": "{}"}}]})

    def _citation(self, event: Json) -> Chunk | None:
        given = _message(event).get("citations")
        each = listed(given) if isinstance(given, list) else [inner(given)]
        notes = [annotation(inner(one), self._starts) for one in each]
        return self._chunk({"annotations": notes}) if notes else None

    def _end(self, event: Json) -> Chunk:
        delta = inner(event.get("delta"))
        if delta.get("finish_reason") in FAILED and delta.get("error"):
            raise from_object({k: delta.get(k) for k in ("error", "error_type")}, self._target)
        finish, native = finish_reason(delta.get("finish_reason"))
        chunk = self._chunk({})
        chunk.choices[0].update(finish_reason=finish, native_finish_reason=native)
        chunk.usage = usage_of(delta.get("usage"))
        self.done = True
        return chunk

    def _say(self, name: str, text: str) -> Chunk | None:
        if name == "content":
            self._length += len(text)
        return self._chunk({name: text}) if text else None

    def _chunk(self, delta: Json) -> Chunk:
        if self._role:
            delta = {**self._role, **delta}
            delta.setdefault("content", None if "tool_calls" in delta else "")
            self._role = {}
        return Chunk(choices=[{"index": 0, "delta": delta, "finish_reason": None}], id=self._id)


def _message(event: Json) -> Json:
    return inner(inner(event.get("delta")).get("message"))


def _index(event: Json) -> int:
    index = event.get("index")
    if type(index) is not int:
        raise Malformed("a piece without its index")
    return index


# ruff: noqa: SLF001  # the table stands behind the class whose methods it names
_READERS: Mapping[str, Callable[[StreamDecoder, Json], Chunk | None]] = MappingProxyType(
    {
        "message-start": StreamDecoder._start,
        "tool-plan-delta": StreamDecoder._plan,
        "content-start": StreamDecoder._content,
        "content-delta": StreamDecoder._content,
        "tool-call-start": StreamDecoder._call,
        "tool-call-delta": StreamDecoder._arguments,
        "tool-call-end": StreamDecoder._call_end,
        "citation-start": StreamDecoder._citation,
        "message-end": StreamDecoder._end,
    }
)
