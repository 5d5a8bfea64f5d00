"""Streamed answers of the Messages API.

https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

from collections.abc import Sequence

from callgate.core.chat import Chunk
from callgate.core.jsontext import parse
from callgate.core.models import Target
from callgate.core.sse import Event
from callgate.errors import GatewayError
from callgate.providers.anthropic.errors import from_object
from callgate.providers.anthropic.events import Events
from callgate.providers.streaming import EventStream, cut

_DONE = b"[DONE]"  # OpenRouter ends with it here too


class StreamDecoder(EventStream):
    """Decodes one stream; see `providers.base.ChunkDecoder`."""

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._events = Events()

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

    def _chunks(self, events: Sequence[Event]) -> Sequence[Chunk]:
        chunks: list[Chunk] = []
        try:
            for _, data in events:
                try:
                    self._read(data, chunks)
                except ValueError:
                    if data.strip() != _DONE:
                        self._skip()
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
