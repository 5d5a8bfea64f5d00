"""The connections to one origin."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from time import monotonic

from callgate.core.http import Headers, Origin
from callgate.core.models import Timeouts
from callgate.errors import GatewayError
from callgate.files import Files
from callgate.upstream import failure
from callgate.upstream.connection import Connection
from callgate.upstream.deadline import Sweeper
from callgate.upstream.dial import dial
from callgate.upstream.proxy import Proxy
from callgate.upstream.resolver import Resolver
from callgate.upstream.settings import UpstreamSettings
from callgate.upstream.tls import Tls
from callgate.upstream.transport import PoolStats

_WARY = 60.0
_log = logging.getLogger("callgate.upstream")


class Pool:
    """Keep-alive connections to one origin, under a cap.

    The connection used last is taken first, so that surplus ones grow old and expire. Once the cap
    is reached callers queue: a connection that becomes free, or the right to make a new one, goes
    to the first of them.
    """

    __slots__ = (
        "_dialling", "_distrusted", "_files", "_members", "_resolver", "_tls", "_waiting", "closed",
        "forwarder", "heads", "host", "idle", "loop", "names", "origin", "proxy", "settings",
        "sweeper",
    )  # fmt: skip

    def __init__(
        self,
        origin: Origin,
        settings: UpstreamSettings,
        tls: Tls,
        resolver: Resolver,
        sweeper: Sweeper,
        names: dict[bytes, str],
        files: Files | None = None,
    ) -> None:
        self.origin = origin
        self.host = origin.netloc
        self.settings = settings
        self.proxy: Proxy | None = settings.proxies.find(origin)
        # The proxy that sees the requests themselves, which it does not through a tunnel.
        self.forwarder = self.proxy.origin if self.proxy and origin.scheme == "http" else None
        self.sweeper = sweeper
        self.names = names
        self.loop = asyncio.get_running_loop()
        self.idle: list[Connection] = []
        self.heads: dict[tuple[str, str, Headers], bytes] = {}
        self.closed = False
        self._tls = tls
        self._resolver = resolver
        self._files = files
        self._members: set[Connection] = set()
        self._dialling = 0
        self._distrusted = 0.0  # until then, no connection is reused
        # Resolved with a connection to use, or with None for the right to make one.
        self._waiting: deque[asyncio.Future[Connection | None]] = deque()

    def stats(self) -> PoolStats:
        """Counts at this moment."""
        waiting = sum(not turn.done() for turn in self._waiting)
        return PoolStats(len(self._members) + self._dialling, len(self.idle), waiting)

    async def connect(self, timeouts: Timeouts) -> Connection:
        """A connection, made or waited for, when `idle` has none.

        Raises GatewayError `upstream_unreachable`, `overloaded` if no file can be spared for it, or
        `upstream_timeout` after the shorter of the connect and the total timeout.
        """
        seconds = min(timeouts.connect, timeouts.total)
        limit = monotonic() + seconds
        first = False
        while True:
            self._check_open()
            if len(self._members) + self._dialling < self.settings.max_connections_per_origin:
                self._dialling += 1
                connection = None
            else:
                connection = await self._wait(limit - monotonic(), seconds, first)
            if connection is None:
                phase = "connect" if timeouts.connect <= timeouts.total else "total"
                return await self._dial(limit - monotonic(), phase, seconds)
            if connection.usable:
                return connection
            first = True  # it died while being handed over: back to the head of the queue

    def put_back(self, connection: Connection) -> None:
        """Take back a connection that is ready for another exchange."""
        if self._distrusted and monotonic() < self._distrusted:
            connection.abort()
            return
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(connection)
                return
        if len(self.idle) < self.settings.max_idle_per_origin:
            self.idle.append(connection)
        else:
            connection.abort()

    def distrust(self) -> None:
        """Unsolicited bytes arrived: for a while, use each connection only once.

        A server that sends two responses to one request probably does so often, and if the next
        request has been written by then, its caller gets somebody else's answer. HTTP/1.1 cannot
        tell the two apart, so this can happen until the first such response is noticed, but not
        afterwards.
        """
        if not self._distrusted or monotonic() >= self._distrusted:
            _log.warning(
                "a provider sends bytes nobody asked for; its connections are used only once",
                extra={"detail": f"{self.host}, for {_WARY:g} s"},
            )
        self._distrusted = monotonic() + _WARY
        for connection in tuple(self.idle):
            connection.abort()

    def forget(self, connection: Connection) -> None:
        """Drop a connection that has ended; its place goes to the first in the queue."""
        if connection in self._members:
            self._members.remove(connection)
            self.sweeper.discard(connection)
            if connection in self.idle:
                self.idle.remove(connection)
            self._pass_on()

    def close(self, error: GatewayError) -> None:
        """Close every connection, and fail those who wait."""
        self.closed = True
        for turn in self._waiting:
            if not turn.done():
                turn.set_exception(error)
        self._waiting.clear()
        for connection in tuple(self._members):
            connection.fail(error)

    # --- inside ---------------------------------------------------------------------------------

    async def _dial(self, within: float, phase: str, seconds: float) -> Connection:
        """Make a connection; its place among `_dialling` has been taken."""
        try:
            if self._files is not None and self._files.scarce():
                raise self._files.refuse()
            async with asyncio.timeout(within) as timer:
                connection = await dial(
                    self.loop,
                    self.origin,
                    self.proxy,
                    self._tls,
                    self._resolver,
                    lambda: Connection(self),
                )
        except BaseException as exc:
            self._dialling -= 1
            self._pass_on()
            if isinstance(exc, TimeoutError) and timer.expired():
                raise failure.timed_out(phase, self.host, seconds) from None
            raise
        self._dialling -= 1
        self._members.add(connection)
        self.sweeper.items.add(connection)
        if self.closed:
            connection.abort()
            raise failure.closed()
        if not connection.usable:
            connection.abort()
            raise failure.unreachable(self.host, ConnectionResetError())
        return connection

    async def _wait(self, within: float, seconds: float, first: bool) -> Connection | None:
        turn: asyncio.Future[Connection | None] = self.loop.create_future()
        if first:
            self._waiting.appendleft(turn)
        else:
            self._waiting.append(turn)
        try:
            async with asyncio.timeout(within) as timer:
                return await turn
        except BaseException as exc:
            self._decline(turn)
            if isinstance(exc, TimeoutError) and timer.expired():
                count = self.settings.max_connections_per_origin
                raise failure.exhausted(self.host, count, seconds) from None
            raise

    def _decline(self, turn: asyncio.Future[Connection | None]) -> None:
        """Pass on what a queued caller was given but no longer wants."""
        if not turn.done():
            turn.cancel()
        elif not turn.cancelled() and turn.exception() is None:
            connection = turn.result()
            if connection is None:
                self._dialling -= 1
                self._pass_on()
            elif connection.usable:
                self.put_back(connection)
        if turn in self._waiting:
            self._waiting.remove(turn)

    def _pass_on(self) -> None:
        """A place has become free."""
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                self._dialling += 1
                turn.set_result(None)
                return

    def _check_open(self) -> None:
        if self.closed:
            raise failure.closed()
