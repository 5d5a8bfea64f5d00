"""A worker: one process that serves callers."""

from __future__ import annotations

import asyncio
import os
import socket

import uvicorn
import uvloop

from callgate.app import Worker, build_worker
from callgate.config import Config
from callgate.server.supervisor import orphaned
from callgate.web.protocol import protocol_for

_HEAD_TIMEOUT = 30.0
_ORPHAN_CHECK = 0.5


def serve(config: Config, listener: socket.socket) -> None:
    """Answer callers on a listening socket until SIGTERM; blocks.

    Requests in progress have `server.drain` seconds to finish.
    """
    uvloop.run(_serve(config, listener))


async def _serve(config: Config, listener: socket.socket) -> None:
    settings = config.settings.server
    with build_worker(config) as worker:
        server = uvicorn.Server(
            uvicorn.Config(
                worker.gate,
                http=protocol_for(
                    worker.gate,
                    max_header_bytes=settings.max_header_bytes,
                    head_timeout=_HEAD_TIMEOUT,
                ),
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_keep_alive=int(settings.keep_alive),
                timeout_graceful_shutdown=int(settings.drain),
            )
        )
        tasks = [
            asyncio.create_task(work)
            for work in (
                worker.keyring.keep_fresh(),
                worker.load_prices(),
                _follow_parent(server),
            )
        ]
        try:
            await server.serve(sockets=[listener])
        finally:
            for task in tasks:
                task.cancel()
            await _closed(worker)


async def _closed(worker: Worker) -> None:
    await worker.client.aclose()


async def _follow_parent(server: uvicorn.Server) -> None:
    """Drain and end when the supervisor is gone, so that nobody holds the port in its place."""
    parent = os.getppid()
    while not orphaned(parent):
        await asyncio.sleep(_ORPHAN_CHECK)
    server.should_exit = True
