"""The events of a streamed answer of the Messages API, as chunks.

https://docs.anthropic.com/en/api/messages-streaming#event-types
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import msgspec

from callgate.core.chat import Chunk, Json
from callgate.core.jsontext import parse
from callgate.errors import GatewayError
from callgate.providers.anthropic.answer import (
    annotation_of,
    extra_of,
    finish_of,
    merge_usage,
    usage_of,
)
from callgate.providers.anthropic.reasoning import detail_of

_WHOLE = ("stop", "tool_calls")
MAX_BLOCKS = 10_000
MAX_HELD = 16 << 20
"""Characters of thoughts and of servers' tool calls, which go out once a block is whole."""


class _Block:
    """A content block that has begun and not ended."""

    __slots__ = ("call", "called", "citations", "given", "kind", "pieces", "signature", "start")

    def __init__(self, given: Json, kind: str, start: int, called: int) -> None:
        self.given = given
        self.kind = kind
        self.start = start  # where its text begins in the content
        self.called = called  # how many calls came before it
        self.call = 0
        self.pieces: list[str] = []
        self.signature = _text(given, "signature")
        citations = given.get("citations")
        self.citations: list[Any] = citations if type(citations) is list else []


class Events:
    """Reads the events of one answer in order.

    `begun` and `done` say whether the answer has begun and has properly ended; `finished` that its
    stop reason has come.
    """

    def __init__(self) -> None:
        self.begun = self.done = self.finished = False
        self._blocks: dict[int, _Block] = {}
        self._count = self._calls = self._length = self._held = 0
        self._usage: Json = {}
        self._id = self._model = ""

    def read(self, event: Json, chunks: list[Chunk]) -> None:
        """Add an event's chunks; one of an unknown type has none.

        Raises ValueError where the event has not the shape of its type, GatewayError where the
        answer cannot go on.
        """
        handler = self._HANDLERS.get(_string(event, "type"))
        if handler is not None:
            handler(self, event, chunks)

    @property
    def calling(self) -> bool:
        """Whether a tool call has begun and not ended."""
        return any(block.kind == "tool_use" for block in self._blocks.values())

    def is_open(self, index: int) -> bool:
        """Whether this content block has begun and not ended."""
        return index in self._blocks

    def text_chunk(self, text: str) -> Chunk:
        """What a piece of text is told by."""
        return self._made({"content": text})

    def lengthen(self, characters: int) -> None:
        """Take note of text that was not read here."""
        self._length += characters

    def _delta(self, event: Json, chunks: list[Chunk]) -> None:
        index, delta = event.get("index"), event.get("delta")
        block = self._blocks.get(index) if type(index) is int else None
        if block is None or type(delta) is not dict:
            raise ValueError("a delta outside of any block")
        kind = delta.get("type")
        if kind == "text_delta":
            text = _string(delta, "text")
            self._length += len(text)
            chunks.append(self.text_chunk(text))
        elif kind == "input_json_delta":
            self._input(block, _string(delta, "partial_json"), chunks)
        elif kind == "thinking_delta":
            text = _string(delta, "thinking")
            self._hold(block, text)
            chunks.append(self._made({"reasoning_content": text}))
        elif kind == "signature_delta":
            block.signature += _string(delta, "signature")
        elif kind == "citations_delta" and type(delta.get("citation")) is dict:
            block.citations.append(delta["citation"])

    def _input(self, block: _Block, text: str, chunks: list[Chunk]) -> None:
        if not text:
            return
        if block.kind == "tool_use":
            block.pieces = [text]  # that there was one is all that matters
            chunks.append(self._arguments(block, text))
        else:
            self._hold(block, text)

    def _start(self, event: Json, chunks: list[Chunk]) -> None:
        message = event.get("message")
        if type(message) is not dict:
            raise ValueError("a start without a message")
        if self.begun:
            return
        self.begun = True
        self._id, self._model = _text(message, "id"), _text(message, "model")
        merge_usage(self._usage, message.get("usage"))
        chunks.append(self._made({"role": "assistant", "content": ""}, extra=extra_of(message)))
        given = message.get("content")
        if type(given) is list and given:
            self._given(given, chunks)
        self._finish(message, chunks)

    def _given(self, blocks: list[Any], chunks: list[Chunk]) -> None:
        """Content that is whole from the start, as where code of the provider's called a tool.

        https://docs.claude.com/en/docs/agents-and-tools/tool-use/programmatic-tool-calling
        """
        for at, block in enumerate(blocks):
            self._block_start({"index": at, "content_block": block}, chunks)
            self._block_stop({"index": at}, chunks)

    def _block_start(self, event: Json, chunks: list[Chunk]) -> None:
        index, given = event.get("index"), event.get("content_block")
        if not self.begun or type(index) is not int or type(given) is not dict:
            raise ValueError("a block outside of any answer")
        kind = _string(given, "type")
        self._count += 1
        if self._count > MAX_BLOCKS:
            raise _too_much("too many content blocks")
        block = self._blocks[index] = _Block(given, kind, self._length, self._calls)
        if kind == "tool_use":
            name = _string(given, "name")
            block.call, self._calls = self._calls, self._calls + 1
            call = {
                "index": block.call,
                "id": _string(given, "id"),
                "type": "function",
                "function": {"name": name, "arguments": ""},
            }
            chunks.append(self._made({"tool_calls": [call]}))
        elif kind == "text" and (text := _text(given, "text")):
            self._length += len(text)
            chunks.append(self._made({"content": text}))
        elif kind == "thinking" and (text := _text(given, "thinking")):
            self._hold(block, text)
            chunks.append(self._made({"reasoning_content": text}))

    def _block_stop(self, event: Json, chunks: list[Chunk]) -> None:
        index = event.get("index")
        block = self._blocks.pop(index, None) if type(index) is int else None
        if block is None:
            raise ValueError("the end of a block that had not begun")
        kind, given = block.kind, block.given
        if kind == "text":
            annotations = [
                annotation_of(citation, block.start, self._length)
                for citation in block.citations
                if type(citation) is dict
            ]
            if annotations:
                chunks.append(self._made({"annotations": annotations}))
        elif kind == "tool_use":
            if not block.pieces:  # a call without arguments, or one that came whole
                chunks.append(self._arguments(block, _json(given.get("input"))))
        elif kind in ("thinking", "redacted_thinking"):
            if kind == "thinking":
                given = {**given, "thinking": "".join(block.pieces), "signature": block.signature}
            detail = detail_of(given, block.start, block.called)
            if detail is None:
                raise ValueError("a thinking block without its fields")
            chunks.append(self._made({"reasoning_details": [detail]}))
        else:
            if block.pieces:
                given["input"] = _value("".join(block.pieces))
            chunks.append(self._made({}, extra={"content_blocks": [given]}))

    def _message_delta(self, event: Json, chunks: list[Chunk]) -> None:
        delta = event.get("delta")
        if type(delta) is not dict:
            raise ValueError("a message delta without a delta")
        merge_usage(self._usage, event.get("usage"))
        self._finish(delta, chunks)

    def _finish(self, delta: Json, chunks: list[Chunk]) -> None:
        reason = _text(delta, "stop_reason")
        if not reason:
            return
        if finish_of(reason) in _WHOLE:  # some servers leave the end of a block out
            for index in sorted(self._blocks):
                self._block_stop({"index": index}, chunks)
        self.finished = True
        chunk = self._made({}, extra=extra_of(delta))
        choice = chunk.choices[0]
        choice["finish_reason"] = finish_of(reason)
        choice["native_finish_reason"] = reason
        for name in ("stop_sequence", "stop_details"):
            if delta.get(name) is not None:
                choice[name] = delta[name]
        chunks.append(chunk)

    def _stop(self, event: Json, chunks: list[Chunk]) -> None:
        if not self.finished:
            raise GatewayError("upstream_cut", "The provider's stream ended without a stop reason.")
        self.end(chunks)

    def end(self, chunks: list[Chunk]) -> None:
        """Add what is told at the end: the usage."""
        self.done = True
        usage = usage_of(self._usage)
        if usage is not None:
            chunks.append(Chunk(choices=[], usage=usage, id=self._id, model=self._model))

    def _arguments(self, block: _Block, text: str) -> Chunk:
        call = {"index": block.call, "function": {"arguments": text}}
        return self._made({"tool_calls": [call]})

    def _made(self, delta: Json, extra: Json | None = None) -> Chunk:
        choice = {"index": 0, "delta": delta, "finish_reason": None}
        return Chunk(choices=[choice], id=self._id, model=self._model, extra=extra or {})

    def _hold(self, block: _Block, text: str) -> None:
        self._held += len(text)
        if self._held > MAX_HELD:
            raise _too_much("too much reasoning")
        block.pieces.append(text)

    _HANDLERS: ClassVar[Mapping[str, Callable[[Events, Json, list[Chunk]], None]]] = {
        "message_start": _start,
        "content_block_start": _block_start,
        "content_block_delta": _delta,
        "content_block_stop": _block_stop,
        "message_delta": _message_delta,
        "message_stop": _stop,
    }


def _too_much(what: str) -> GatewayError:
    return GatewayError("bad_upstream_reply", f"The provider sent {what}.")


def _string(holder: Json, name: str) -> str:
    value = holder.get(name)
    if type(value) is not str:
        raise ValueError(f"no {name}")
    return value


def _text(holder: Json, name: str) -> str:
    value = holder.get(name)
    return value if type(value) is str else ""


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode() if type(value) is dict else "{}"


def _value(text: str) -> Any:
    try:
        return parse(text.encode("utf-8", "replace"))
    except ValueError:
        return text
