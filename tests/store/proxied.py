"""Between counters and their server: holds back what either says, until a test lets it go."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from redisserver import RedisServer

_CHUNK = 65536


class Proxy:
    """A Unix socket before a server's. While `asking` or `answering` is clear, that way is shut.

    `held` is set as soon as something stands before a way that is shut.
    """

    def __init__(self, server: RedisServer, socket: Path) -> None:
        self.url = f"unix://{socket}"
        self.asking, self.answering = asyncio.Event(), asyncio.Event()
        self.held = asyncio.Event()
        self.asking.set()
        self.answering.set()
        self._server = server
        self._socket = socket
        self._ways: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        there, back = await asyncio.open_unix_connection(str(self._server.socket))
        self._writers |= {writer, back}
        self._ways |= {
            asyncio.create_task(self._pass(reader, back, self.asking)),
            asyncio.create_task(self._pass(there, writer, self.answering)),
        }

    @property
    def connections(self) -> int:
        """How many there have been since the last cut."""
        return len(self._writers) // 2

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: asyncio.Event
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if not way.is_set():
                    self.held.set()
                    await way.wait()
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Break every connection off, with what is held on it."""
        ways, self._ways = self._ways, set()
        writers, self._writers = self._writers, set()
        for task in ways:
            task.cancel()
        for writer in writers:
            writer.transport.abort()


@asynccontextmanager
async def proxied(server: RedisServer) -> AsyncIterator[Proxy]:
    """A proxy before a server."""
    folder = Path(tempfile.mkdtemp(prefix="cg-proxy-"))
    proxy = Proxy(server, folder / "s")
    listening = await asyncio.start_unix_server(proxy.serve, str(folder / "s"))
    try:
        yield proxy
    finally:
        proxy.cut()
        listening.close()
        shutil.rmtree(folder, ignore_errors=True)
