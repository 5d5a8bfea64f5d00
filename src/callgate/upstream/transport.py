"""The seam between the engine and the upstream client: `Client` is one, a recording is another."""

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
        """Give the next pieces to `sink` as they arrive, for as long as it takes more."""
        ...

    def answering(self) -> None:
        """The first piece of a streamed answer was among the bytes."""
        ...

    def ending(self, seconds: float) -> None:
        """The answer is whole: no longer silence than this is waited for from now on."""
        ...

    def close(self) -> None:
        """Be done with the response."""
        ...

    def release(self) -> None:
        """Be done with a response whose content is known to have ended."""
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
