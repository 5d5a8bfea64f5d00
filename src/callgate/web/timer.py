"""The timeouts of a caller's connection."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from callgate.web.malformed import late
from callgate.web.settings import Bounds

if TYPE_CHECKING:
    from callgate.web.protocol import GateProtocol

LINGER = 2.0
"""Seconds without a byte from a caller after which it is assumed to have read its response."""
_LONGEST_LINGER = 30.0
_LAST_REQUEST = 5.0


class ConnectionTimer:
    """Looks now and then whether the connection is idle, a head or a body under way, or an answer
    not read, for too long.

    `quiet_since` is when the caller last ended, or began, something: the event loop's clock.
    """

    __slots__ = ("_bounds", "_connection", "_handle", "_loop", "quiet_since")

    def __init__(
        self, connection: GateProtocol, bounds: Bounds, loop: asyncio.AbstractEventLoop
    ) -> None:
        self.quiet_since = loop.time()
        self._connection: GateProtocol | None = connection
        self._bounds = bounds
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Look from now on. One timer a connection costs nothing per request."""
        bounds = self._bounds
        shortest = min(
            bounds.head_seconds, bounds.body_seconds, bounds.idle_seconds, bounds.write_seconds
        )
        self._handle = self._loop.call_later(shortest / 4, self._look)

    def stop(self) -> None:
        """Look no more: the connection is closed."""
        self._connection = None  # which refers to this
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def quiet_for(self) -> float:
        """Seconds since the caller last ended, or began, something."""
        return self._loop.time() - self.quiet_since

    def close_soon(self) -> None:
        """Close in some seconds, unless a request, which may be on its way, has begun by then."""
        self._loop.call_later(_LAST_REQUEST, self._close_if_free)

    def linger(self, *, briefly: bool) -> None:
        """Close once the caller sends no more of what nobody reads, or after half a minute.

        Closing sooner could reset the connection before the answer is read (RFC 9112, 9.6).
        """
        now = self._loop.time()
        self._linger(now if briefly else now + _LONGEST_LINGER)

    def _look(self) -> None:
        connection, bounds, now = self._connection, self._bounds, self._loop.time()
        if connection is None:
            return
        transport, exchange = connection.transport, connection.exchange
        if connection.flow.stalled(now) > bounds.write_seconds:
            if exchange is not None:
                exchange.unread = True
            transport.abort()  # close() would wait for the caller to read
            return
        free, quiet = connection.is_free(), now - self.quiet_since
        if transport.is_closing() or (connection.is_refused() and free):
            pass  # what is left is to be read by the caller, and `stalled` bounds that
        elif exchange is not None and not free:
            if exchange.more and now - exchange.begun > bounds.body_seconds:
                exchange.fail(late("body", bounds.body_seconds))
        elif connection.amid_head and quiet > bounds.head_seconds:
            connection.refused(late("headers", bounds.head_seconds))
        elif quiet > bounds.idle_seconds:
            transport.close()
        self.start()

    def _close_if_free(self) -> None:
        connection = self._connection
        if connection is not None and connection.is_free():
            connection.transport.close()

    def _linger(self, until: float) -> None:
        self._loop.call_later(LINGER, self._end_linger, until)

    def _end_linger(self, until: float) -> None:
        if self._connection is None:
            return
        if self._loop.time() < until and self.quiet_for() < LINGER:
            self._linger(until)
        else:
            self._connection.transport.close()
