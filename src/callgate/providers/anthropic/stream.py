"""Streamed answers of the Messages API.

https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from callgate.core.chat import Chunk
from callgate.core.jsontext import parse
from callgate.core.sse import Event
from callgate.core.target import Target
from callgate.core.template import Run, marked
from callgate.errors import GatewayError
from callgate.providers.anthropic.errors import from_object
from callgate.providers.anthropic.events import Events
from callgate.providers.streaming import EventStream, cut

_TEXT: Final = re.compile(rb'"text" ?: ?"((?:[^"\\]|\\.)+)"', re.DOTALL)
_DONE = b"[DONE]"  # OpenRouter ends with it here too


class StreamDecoder(EventStream):
    """Decodes one stream; see `providers.base.ChunkDecoder`."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._events = Events()
        self._block = 0  # that the run's texts are pieces of

    def _conclude(self, events: Sequence[Event]) -> Sequence[Chunk]:
        skipped = self.skipped
        chunks = list(self._chunks(events))
        self.skipped = skipped  # what breaks off within an event is cut, not malformed
        if self.failure is not None:
            raise self.failure
        if self._events.finished and not self._events.done:  # all but the mark of the end
            self._events.end(chunks)
        if self._events.done:
            self.done = True
            return chunks
        if not self._events.begun:
            raise self._bad("a stream without an answer")
        raise cut()

    def _refusal(self, value: object) -> GatewayError | None:
        if isinstance(value, list) or (isinstance(value, dict) and value.get("error")):
            return from_object(value, self._target)
        return None

    def _lengthen(self, characters: int) -> None:
        self._events.lengthen(characters)

    def _calling(self) -> bool:
        return self._events.calling

    def _lasts(self, run: Run) -> bool:
        return self._events.is_open(self._block)

    def _marked(self, data: bytes) -> bytes:
        return marked(data, _TEXT, None)

    def _plain(self, name: str, body: object) -> Chunk | None:
        if type(body) is not dict or body.get("type") != "content_block_delta" or "error" in body:
            return None
        index, delta = body.get("index"), body.get("delta")
        if type(delta) is not dict or delta.get("type") != "text_delta" or type(index) is not int:
            return None
        text = delta.get("text")
        if type(text) is not str or not self._events.is_open(index):
            return None
        if index != self._block:
            self._block, self._run = index, None
        return self._events.text_chunk(text)

    def _chunks(self, events: Sequence[Event]) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        try:
            for _, data in events:
                try:
                    self._read(data, chunks)
                except ValueError:
                    if data.strip() not in (_DONE, b""):
                        self._skip(data)
                if self._events.done:
                    self.done = True
                    break
            self.finished = self._events.finished
        except GatewayError as error:
            if not chunks:
                raise
            self.failure = error
        return chunks

    def _read(self, data: bytes, chunks: list[Chunk]) -> None:
        event = parse(data)
        if type(event) is not dict:
            raise ValueError("no object")
        if event.get("type") == "error" or event.get("error"):
            raise from_object(event, self._target)
        self._events.read(event, chunks)
