"""A TCP connection to a host that may have several addresses, some of which may be dead.

RFC 8305 ("happy eyeballs"): the next address is tried beside those before it as soon as one has
failed or is a quarter of a second late.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any

from callgate.upstream.resolver import Address

_DELAY = 0.25  # RFC 8305, 5


async def reach(loop: asyncio.AbstractEventLoop, found: Sequence[Address]) -> socket.socket:
    """A socket connected to the first of these, at least one, that answers.

    Raises OSError, the first failure, where all fail. There is no bound of time here.
    """
    if len(found) == 1:
        return await _connected(loop, *found[0])
    left = list(found)
    trying: set[asyncio.Task[socket.socket]] = set()
    failure: OSError | None = None
    try:
        while left or trying:
            if left:
                trying.add(loop.create_task(_connected(loop, *left.pop(0))))
            done, trying = await asyncio.wait(
                trying,
                timeout=_DELAY if left else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            winner: socket.socket | None = None
            for task in done:
                try:
                    reached = task.result()
                except OSError as error:
                    failure = failure or error
                    continue
                if winner is None:
                    winner = reached
                else:
                    reached.close()
            if winner is not None:
                return winner
        raise failure or OSError("the host has no address")
    finally:
        failure = None  # it refers to this frame
        for task in trying:
            task.add_done_callback(_let_go)
            task.cancel()


async def _connected(loop: asyncio.AbstractEventLoop, family: int, address: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    return made


def _let_go(task: asyncio.Task[socket.socket]) -> None:
    """Close the socket of an attempt that succeeded although it was no longer wanted."""
    if not task.cancelled() and task.exception() is None:
        task.result().close()
