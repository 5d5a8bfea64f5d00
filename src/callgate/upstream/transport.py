"""The interface between the engine and the upstream client, or a recording in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

from callgate.core.http import HttpRequest, Origin
from callgate.core.models import Timeouts


class PoolStats(NamedTuple):
    """`open` counts connections, idle ones and those being made included; `waiting`, callers."""

    open: int
    idle: int
    waiting: int


class UpstreamResponse(Protocol):
    """A response whose head has arrived; see `upstream.response.Response` for what each promises.

    `headers` has lower-case names; `connect_us` and `headers_us` are microseconds.
    """

    status: int
    headers: Mapping[str, str]
    connect_us: int | None
    headers_us: int

    async def read(self, limit: int | None = None) -> bytes:
        """The whole body. Raises GatewayError."""
        ...

    async def receive(self) -> bytes:
        """The next bytes of the body; empty only at its proper end. Raises GatewayError."""
        ...

    async def pour(self, sink: Callable[[bytes], bool]) -> None:
        """Pass the next pieces to `sink` as they arrive, for as long as it takes more."""
        ...

    def answering(self) -> None:
        """Call when the bytes have included the first piece of a streamed answer."""
        ...

    def ending(self, seconds: float) -> None:
        """Call when the answer is complete: from now on wait for at most so much silence."""
        ...

    def close(self) -> None:
        """Close the response; harmless when repeated."""
        ...

    def release(self) -> None:
        """Close a response whose content is known to have ended."""
        ...


class Transport(Protocol):
    """Sends requests to upstreams."""

    async def send(
        self,
        request: HttpRequest,
        timeouts: Timeouts,
        *,
        streamed: bool = False,
        sent: Callable[[], None] | None = None,
    ) -> UpstreamResponse:
        """Send the request; returns when the response's head has arrived. Raises GatewayError.

        `sent` is called once the whole request has been written.
        """
        ...

    def stats(self) -> Mapping[Origin, PoolStats]:
        """What is open to each origin at this moment."""
        ...

    async def aclose(self) -> None:
        """Close every connection at once."""
        ...
