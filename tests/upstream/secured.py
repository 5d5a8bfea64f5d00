"""A TLS server, and certificates for it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trustme

from callgate.core.http import Origin


class Authority:
    """A certificate authority of its own and what it signs."""

    def __init__(self) -> None:
        self.ca = trustme.CA()

    def context(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.ca.issue_cert(*names).configure_cert(context)
        return context


class Secured:
    """What a TLS server saw: `alpn` and `sni` per connection, request heads."""

    def __init__(self, port: int) -> None:
        self.origin = Origin("https", "localhost", port)
        self.alpn: list[str | None] = []
        self.sni: list[str | None] = []
        self.heads: list[bytes] = []
        self.closed = asyncio.Event()


@asynccontextmanager
async def secured(context: ssl.SSLContext, reply: bytes) -> AsyncIterator[Secured]:
    """Answer every request head with `reply` over TLS."""
    seen: Secured

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.alpn.append(writer.get_extra_info("ssl_object").selected_alpn_protocol())
        try:
            while True:
                seen.heads.append(await reader.readuntil(b"\r\n\r\n"))
                await reader.readexactly(2)
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            seen.closed.set()
        finally:
            writer.close()

    def note_name(_socket: object, name: str | None, _context: ssl.SSLContext) -> None:
        seen.sni.append(name)

    context.sni_callback = note_name
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    seen = Secured(server.sockets[0].getsockname()[1])
    try:
        yield seen
    finally:
        server.close()
