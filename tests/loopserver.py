"""A server on loopback with an event loop and a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from patience import PATIENCE

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def _nothing() -> None:
    pass


@contextmanager
def in_thread(
    serve: Serve, *, limit: int = 2**16, at_end: Callable[[], None] = _nothing
) -> Iterator[int]:
    """Serve connections on a port of the system's choice, which it gives; `at_end` lets go of
    whoever waits.
    """
    loop, stop, ready = asyncio.new_event_loop(), asyncio.Event(), threading.Event()
    port = 0

    async def main() -> None:
        nonlocal port
        server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=limit)
        port = server.sockets[0].getsockname()[1]
        ready.set()
        await stop.wait()
        at_end()
        server.close()
        pending = asyncio.all_tasks() - {asyncio.current_task()}
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield port
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(PATIENCE)
        loop.close()
