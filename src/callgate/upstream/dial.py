"""Making connections: directly, through a proxy, with TLS or without."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from callgate.core.http import Origin
from callgate.upstream import failure
from callgate.upstream.connection import Connection
from callgate.upstream.proxy import Proxy
from callgate.upstream.reach import reach
from callgate.upstream.resolver import Resolver
from callgate.upstream.tls import Tls

_MAX_REPLY = 64 * 1024

P = TypeVar("P", bound=asyncio.BaseProtocol)


class _Tunnel(asyncio.Protocol):
    """The CONNECT exchange with a proxy (RFC 9110, 9.3.6); `status` is 0 if that makes no sense."""

    def __init__(self, request: bytes, loop: asyncio.AbstractEventLoop) -> None:
        self._request = request
        self._parser = HttpResponseParser(self)
        self._received = 0
        self.status: asyncio.Future[int] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._received += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self._end()
        if self._received > _MAX_REPLY:
            self._end()

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200 and not self.status.done():
            self.status.set_result(status)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _end(self) -> None:
        if not self.status.done():
            self.status.set_result(0)


async def dial(
    loop: asyncio.AbstractEventLoop,
    origin: Origin,
    proxy: Proxy | None,
    tls: Tls,
    resolver: Resolver,
    make: Callable[[], Connection],
) -> Connection:
    """A connection that is ready for requests to `origin`.

    Raises GatewayError `upstream_unreachable`, or `overloaded` where no file is left to be one.
    There is no bound of time here.
    """
    context = tls.context() if origin.scheme == "https" else None
    first = proxy.origin if proxy is not None else origin
    name = first.netloc if proxy is None else f"the proxy {first.netloc}"
    try:
        if proxy is None or context is None:
            return await _connect(loop, first, tls, resolver, make)
        tunnel = await _connect(
            loop, first, tls, resolver, lambda: _Tunnel(_request(origin, proxy), loop)
        )
        try:
            status = await tunnel.status
            if not 200 <= status < 300:
                raise failure.proxy_refused(first, origin.netloc, status)
            name = origin.netloc
            connection = make()
            transport = await loop.start_tls(
                tunnel.transport, connection, context, server_hostname=origin.host
            )
            if transport is None:
                raise ConnectionResetError
        except BaseException:
            tunnel.transport.abort()
            raise
        connection.connection_made(transport)
        return connection
    except (OSError, UnicodeError) as exc:
        raise failure.unreachable(name, exc) from None


async def _connect(
    loop: asyncio.AbstractEventLoop,
    origin: Origin,
    tls: Tls,
    resolver: Resolver,
    make: Callable[[], P],
) -> P:
    reached = await reach(loop, await resolver.addresses(loop, origin.host, origin.port))
    if origin.scheme == "https":
        _, protocol = await loop.create_connection(
            make, sock=reached, ssl=tls.context(), server_hostname=origin.host
        )
    else:
        _, protocol = await loop.create_connection(make, sock=reached)
    return protocol


def _request(origin: Origin, proxy: Proxy) -> bytes:
    host = origin.host.encode("idna").decode() if not origin.host.isascii() else origin.host
    target = f"[{host}]:{origin.port}" if ":" in host else f"{host}:{origin.port}"
    lines = [f"CONNECT {target} HTTP/1.1", f"host: {target}"]
    if proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization.reveal()}")
    return "\r\n".join([*lines, "", ""]).encode("ascii")
