"""A raw-socket server that answers each connection as a script says, rightly or wrongly."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import NamedTuple

from callgate.core.http import Origin

Script = Callable[["Peer"], Awaitable[None]]


class Received(NamedTuple):
    """One request as the server saw it."""

    line: str
    headers: dict[str, str]
    body: bytes


class Peer:
    """The server's end of one connection. `number` counts connections from 0."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self.requests: list[Received] = []
        self._loop = asyncio.get_running_loop()
        self._data = b""

    async def request(self) -> Received | None:
        """Read one whole request; None where the client has closed instead."""
        while b"\r\n\r\n" not in self._data:
            if not await self._more():
                return None
        head, _, self._data = self._data.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}
        length = int(headers.get("content-length", 0))
        while len(self._data) < length:
            if not await self._more():
                return None
        body, self._data = self._data[:length], self._data[length:]
        received = Received(line, headers, body)
        self.requests.append(received)
        return received

    async def send(self, *parts: bytes) -> None:
        """Send each part so that the client is likely to read it by itself."""
        for part in parts:
            await self._loop.sock_sendall(self.sock, part)
            for _ in range(3 if len(parts) > 1 else 0):
                await asyncio.sleep(0)

    async def answer(self, *parts: bytes) -> None:
        """Read a request and send the parts."""
        await self.request()
        await self.send(*parts)

    async def gone(self) -> float:
        """Wait until the client has closed; the time on the monotonic clock when it was seen."""
        while await self._more():
            pass
        return monotonic()

    async def stall(self) -> None:
        """Do nothing until the client has had enough."""
        await self.gone()

    @property
    def closed(self) -> bool:
        """Whether the script has closed it."""
        return self.sock.fileno() < 0

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    async def some(self) -> bool:
        """Read whatever comes first; False for the end."""
        return await self._more()

    async def _more(self) -> bool:
        try:
            data = await self._loop.sock_recv(self.sock, 65536)
        except ConnectionError:
            return False
        self._data += data
        return bool(data)


class Hostile:
    """Runs `script` for each connection and closes the connection when the script returns.

    A failed assertion in a script fails the test when the server is left.
    """

    def __init__(self, script: Script, *, receive_buffer: int = 0) -> None:
        self.peers: list[Peer] = []
        self._script = script
        self._tasks: list[asyncio.Task[None]] = []
        self._sock = socket.create_server(("127.0.0.1", 0), backlog=128)
        if receive_buffer:
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._sock.setblocking(False)
        self.origin = Origin("http", "127.0.0.1", self._sock.getsockname()[1])

    async def __aenter__(self) -> Hostile:
        asyncio.get_running_loop().add_reader(self._sock, self._accept)
        return self

    async def __aexit__(self, *exc: object) -> None:
        asyncio.get_running_loop().remove_reader(self._sock)
        self._sock.close()
        for task in self._tasks:
            task.cancel()
        results = await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.peers:
            peer.sock.close()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, OSError):
                raise result

    def _accept(self) -> None:
        sock, _ = self._sock.accept()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = Peer(sock, len(self.peers))
        self.peers.append(peer)
        self._tasks.append(asyncio.create_task(self._serve(peer)))

    async def _serve(self, peer: Peer) -> None:
        try:
            await self._script(peer)
        finally:
            peer.sock.close()


def says(*parts: bytes) -> Script:
    """A script that answers every request on the connection with the same parts."""

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(*parts)

    return script


def says_once(*parts: bytes, reset: bool = False) -> Script:
    """A script that answers one request and closes, with RST if `reset`."""

    async def script(peer: Peer) -> None:
        await peer.answer(*parts)
        if reset:
            await asyncio.sleep(0.01)  # let the bytes be read before the reset discards them
            for _ in range(10):
                await asyncio.sleep(0)
            peer.reset()

    return script


def ok(body: bytes, *fields: bytes) -> bytes:
    """A sound response with Content-Length."""
    lines = [b"HTTP/1.1 200 OK", *fields, b"Content-Length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


def chunked(*chunks: bytes) -> bytes:
    """A sound response with one chunk for each of `chunks`."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (*chunks, b""))


def each_byte(data: bytes) -> list[bytes]:
    """The data, cut at every position."""
    return [data[i : i + 1] for i in range(len(data))]
