"""The addresses of hosts."""

from __future__ import annotations

import asyncio
import socket
from itertools import chain, zip_longest
from typing import Any

_MOST = 16
_LATE, _AT_ONCE = 1.0, 2

Address = tuple[int, Any]
"""The family, and the address as sockets of it have it."""


class Resolver:
    """Looks hosts up, each once at a time, or twice if that is slow; belongs to one event loop.

    The event loop has only a few threads for this. If every call did its own look-up, calls to a
    host whose name servers are silent would occupy them all, and no other host could be reached.
    """

    __slots__ = ("_asked",)

    def __init__(self) -> None:
        # By host and port, what was asked and not answered yet, with the loop's time.
        self._asked: dict[tuple[str, int], list[tuple[asyncio.Task[list[Address]], float]]] = {}

    async def addresses(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int
    ) -> list[Address]:
        """The addresses in the order in which to try them. Raises OSError and UnicodeError."""
        asked, now = self._asked.setdefault((host, port), []), loop.time()
        if not asked or (len(asked) < _AT_ONCE and now - asked[-1][1] > _LATE):
            task = loop.create_task(_look_up(loop, host, port))
            asked.append((task, now))
            task.add_done_callback(lambda done: self._forget(host, port, done))
        return await asyncio.shield(asked[-1][0])  # whoever leaves does so alone

    def _forget(self, host: str, port: int, done: asyncio.Task[list[Address]]) -> None:
        left = [one for one in self._asked[host, port] if one[0] is not done]
        if left:
            self._asked[host, port] = left
        else:
            del self._asked[host, port]
        if not done.cancelled():
            done.exception()  # there may be nobody left to be told


async def _look_up(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Address]:
    """RFC 8305, 4: the families take turns."""
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    told = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    first = told[0][0] if told else 0
    ours = [one for one in told if one[0] == first]
    others = [one for one in told if one[0] != first]
    turns = chain.from_iterable(zip_longest(ours, others))
    return [one for one in turns if one is not None][:_MOST]
