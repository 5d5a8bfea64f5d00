"""A small forward proxy: tunnels for CONNECT, absolute form for the rest."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from upstream.hostile import Peer


async def forward(peer: Peer) -> None:
    """The script of a proxy, for `Hostile`."""
    while request := await peer.request():
        method, target, _ = request.line.split(" ")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            with await connect(host, int(port)) as upstream:
                await peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await tunnel(peer.sock, upstream)
            return
        parts = urlsplit(target)
        with await connect(parts.hostname or "", parts.port or 80) as upstream:
            fields = [f"{name}: {value}" for name, value in request.headers.items()]
            head = "\r\n".join([f"{method} {parts.path} HTTP/1.1", *fields, "", ""])
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(upstream, head.encode() + request.body)
            upstream.shutdown(socket.SHUT_WR)
            while data := await loop.sock_recv(upstream, 65536):
                await peer.send(data)


async def connect(host: str, port: int) -> socket.socket:
    sock = socket.socket()
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
    return sock


async def tunnel(one: socket.socket, other: socket.socket) -> None:
    ways = [asyncio.create_task(copy(one, other)), asyncio.create_task(copy(other, one))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def copy(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while data := await loop.sock_recv(source, 65536):
            await loop.sock_sendall(target, data)
