"""A provider's whole surface: four methods, no I/O.

The engine calls `encode` again for each attempt, from the untouched original; the bytes that come
back go through `decode`, or through `decoder()` where they stream, or through `error`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from callgate.core.chat import Chunk
from callgate.core.http import HttpRequest, HttpResponse
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.core.template import Run
from callgate.errors import GatewayError


class ChunkDecoder(Protocol):
    """Turns the bytes of one streamed answer into chunks.

    Both methods raise GatewayError: for an error event of the provider (its own type), for bytes
    that make no sense (`bad_upstream_reply`), and `close`, called once after the last byte, for an
    answer that lacks its proper end (`upstream_cut`). `done` turns true with that proper end, from
    where on nothing more is expected; `finished` already with the finish reason of all choices
    that have begun, after which only usage and that end may come. `failure` is what followed sound
    chunks in the same bytes: the next call raises it. `skipped` counts malformed events within a
    sound stream. `run`, where it is not None, may be asked before `feed` whether it takes the next
    bytes: these are then more events like the one before, and are not fed.
    """

    done: bool
    finished: bool
    failure: GatewayError | None
    skipped: int
    run: Run | None

    def feed(self, data: bytes) -> Sequence[Chunk]:
        """Take the next bytes as they arrived, cut anywhere; give the chunks they complete."""
        ...

    def close(self) -> Sequence[Chunk]:
        """Take the end of the body; give what was held back."""
        ...


class Dialect(Protocol):
    """How one family of servers is spoken to."""

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        """The request in the dialect, without credentials (`providers.auth` adds those).

        Raises GatewayError `unsupported_field` naming a field that the target cannot honour.
        """
        ...

    def decode(self, response: HttpResponse, target: Target) -> ChatResponse:
        """A 2xx response. Raises GatewayError where it is no whole, sound answer."""
        ...

    def decoder(self, target: Target) -> ChunkDecoder:
        """A fresh decoder for one streamed 2xx response."""
        ...

    def error(self, response: HttpResponse, target: Target) -> GatewayError:
        """A non-2xx response as a row of the taxonomy, by status and JSON fields."""
        ...
