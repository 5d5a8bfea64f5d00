"""The HTTP/1.1 client through which every request to an upstream goes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final

from callgate.core.http import HttpRequest, Origin
from callgate.core.models import Timeouts
from callgate.files import Files
from callgate.upstream import failure
from callgate.upstream.deadline import Sweeper
from callgate.upstream.head import encode_head, encode_length
from callgate.upstream.pool import Pool
from callgate.upstream.reader import HEAD
from callgate.upstream.resolver import Resolver
from callgate.upstream.response import Response
from callgate.upstream.settings import UpstreamSettings
from callgate.upstream.tls import Tls
from callgate.upstream.transport import PoolStats

__all__ = ["Client", "PoolStats", "Response", "UpstreamSettings"]

_SMALL: Final = 64 * 1024
_MAX_HEADS = 256
_PROXY_AUTHENTICATION: Final = 407  # RFC 9110, 15.5.8: it comes from a proxy, never a provider


class Client:
    """Pools of keep-alive connections, one per origin; belongs to one event loop.

    A request is never written twice: a connection that is known to be dead is skipped before
    anything is written, and one that dies later fails the request with `upstream_cut`. No
    connection is made once only reserved `files` are left.
    """

    __slots__ = (
        "_closed",
        "_files",
        "_names",
        "_pools",
        "_resolver",
        "_sweeper",
        "_tls",
        "settings",
    )

    def __init__(self, settings: UpstreamSettings, files: Files | None = None) -> None:
        self.settings = settings
        self._files = files
        self._pools: dict[Origin, Pool] = {}
        self._sweeper = Sweeper()
        self._tls = Tls(settings.ca_file, settings.ca_dir)
        self._resolver = Resolver()
        self._names: dict[bytes, str] = {}
        self._closed = False

    async def send(
        self,
        request: HttpRequest,
        timeouts: Timeouts,
        *,
        streamed: bool = False,
        sent: Callable[[], None] | None = None,
    ) -> Response:
        """Send the request; returns when the response's head has arrived. Close the response.

        `sent` is called once the whole request has been written. If the answer is `streamed`, call
        `Response.answering` at its first piece: until then `timeouts.first_token` runs. Raises
        GatewayError of the types `upstream_unreachable`, `upstream_timeout`, `bad_upstream_reply`,
        `upstream_cut`, and `overloaded` once the client is closed or no file can be spared.
        """
        method, origin, path = request.method, request.origin, request.path
        headers, body = request.headers, request.body
        pool = self._pools.get(origin) or self._open_pool(origin)
        head = pool.heads.get((method, path, headers))
        if head is None:
            head = self._encode_head(pool, request)
        begun = now = monotonic()
        connect_us = None
        idle = pool.idle
        while idle:
            connection = idle.pop()
            if connection.usable:
                break
        else:
            connection = await pool.connect(timeouts)
            now = monotonic()
            if connection.fresh:
                connect_us = int((now - begun) * 1e6)
        connection.start(timeouts, now, begun + timeouts.total, method == "HEAD", streamed)
        if 0 < len(body) <= _SMALL:
            connection.transport.write(b"%b%d\r\n\r\n%b" % (head, len(body), body))
        else:
            await connection.write_large(encode_length(head, method, len(body)), body)
        if sent is not None and connection.sent:
            sent()
        while connection.phase <= HEAD:
            connection.waiter = waiter = pool.loop.create_future()
            try:
                await waiter
            except BaseException:
                connection.abort()
                raise
        if connection.error is not None and not connection.status:
            raise connection.surrender()  # not kept in a local variable: see there
        if connection.status == _PROXY_AUTHENTICATION and pool.forwarder is not None:
            connection.abort()
            raise failure.proxy_refused(pool.forwarder, origin.netloc, connection.status)
        return Response(connection, connect_us, int((monotonic() - now) * 1e6))

    async def aclose(self) -> None:
        """Close every connection at once; requests in progress fail with `overloaded`."""
        self._closed = True
        for pool in self._pools.values():
            pool.close(failure.closed())
        # The event loop closes an aborted transport's socket in one of its next iterations.
        for _ in range(3):
            await asyncio.sleep(0)

    def stats(self) -> Mapping[Origin, PoolStats]:
        """What each pool holds at this moment."""
        return {origin: pool.stats() for origin, pool in self._pools.items()}

    def _open_pool(self, origin: Origin) -> Pool:
        if self._closed:
            raise failure.closed()
        settings, own = self.settings, self.settings.authorities.get(origin)
        pool = Pool(
            origin,
            settings,
            self._tls if own is None else Tls(settings.ca_file, settings.ca_dir, own),
            self._resolver,
            self._sweeper,
            self._names,
            self._files,
        )
        self._pools[origin] = pool
        return pool

    def _encode_head(self, pool: Pool, request: HttpRequest) -> bytes:
        head = encode_head(request, pool.proxy)
        if len(pool.heads) >= _MAX_HEADS:
            pool.heads.clear()
        pool.heads[request.method, request.path, request.headers] = head
        return head
