"""Streamed answers of the Messages API.

https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

from collections.abc import Sequence

from callgate.core.chat import Chunk
from callgate.core.jsontext import parse
from callgate.core.models import Target
from callgate.core.redact import redact
from callgate.core.sse import Event, Parser
from callgate.errors import GatewayError
from callgate.providers.anthropic.errors import from_object
from callgate.providers.anthropic.events import Events

MAX_SKIPPED = 3
MAX_BODY_BYTES = 1 << 20

_DONE = b"[DONE]"  # OpenRouter ends with it here too


class StreamDecoder:
    """Decodes one stream; see `providers.base.ChunkDecoder`.

    A failure that follows sound chunks in the same read is raised by the next call, so that these
    chunks are not lost.
    """

    def __init__(self, target: Target) -> None:
        self.done = False
        self.skipped = 0
        self._target = target
        self._parser = Parser()
        self._events = Events()
        self._opened = False
        self._body = bytearray()  # what came in place of a stream
        self._failure: GatewayError | None = None

    def feed(self, data: bytes) -> Sequence[Chunk]:
        if self._failure is not None:
            raise self._failure
        if self.done:
            return ()
        if not self._opened:
            data = self._opening(data)
        return self._chunks(self._parser.feed(data))

    def close(self) -> Sequence[Chunk]:
        if self._failure is not None:
            raise self._failure
        if self.done:
            return ()
        if self._body:
            raise self._no_stream()
        skipped = self.skipped
        chunks = self._chunks(self._parser.close())
        self.skipped = skipped  # what breaks off within an event is cut, not malformed
        if self._failure is not None:
            raise self._failure
        if self._events.done:
            return chunks
        if not self._events.begun:
            raise self._bad("a stream without an answer")
        raise GatewayError("upstream_cut", "The provider's stream ended before the answer did.")

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
        except GatewayError as error:
            if not chunks:
                raise
            self._failure = error
        return chunks

    def _read(self, data: bytes, chunks: list[Chunk]) -> None:
        event = parse(data)
        if type(event) is not dict:
            raise ValueError("no object")
        if event.get("type") == "error" or event.get("error"):
            raise from_object(event, self._target)
        self._events.read(event, chunks)

    def _skip(self) -> None:
        self.skipped += 1
        if self.skipped > MAX_SKIPPED:
            raise self._bad("a stream of malformed events")

    def _opening(self, data: bytes) -> bytes:
        """Keep a JSON body or a page that came in place of a stream; give a stream's bytes."""
        head = data.lstrip()
        if self._body or head[:1] in (b"{", b"[", b"<"):
            self._body += data
            if len(self._body) > MAX_BODY_BYTES:
                raise self._no_stream()
            return b""
        self._opened = bool(head)
        return data

    def _no_stream(self) -> GatewayError:
        body = bytes(self._body)
        try:
            value = parse(body)
        except ValueError:
            value = None
        if isinstance(value, list) or (isinstance(value, dict) and value.get("error")):
            return from_object(value, self._target)
        start = body[:200].decode("utf-8", "replace")
        return self._bad(
            "a body that is no stream", redact(start, (self._target.deployment.secret,))
        )

    def _bad(self, what: str, detail: str | None = None) -> GatewayError:
        provider = self._target.deployment.provider
        return GatewayError(
            "bad_upstream_reply", f"{provider} answered with {what}.", detail=detail
        )
