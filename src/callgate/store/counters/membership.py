"""This process among all that count on one server: how many they are, and what it has lost."""

from __future__ import annotations

import asyncio
from hashlib import blake2b

from callgate.store.counters.link import Command, Link, LinkError
from callgate.store.counters.roster import Roster
from callgate.store.counters.scripts import BEAT, LEAVE
from callgate.store.counters.share import Share

_GONE_MS = 10_000
_ASSEMBLE_SECONDS = 1.0
_LOOKS = 10


class Membership:
    """`process` names this one among `processes`, the key of the set of all; `share` follows it.

    `roster` remembers how many there were.
    """

    def __init__(
        self, link: Link, share: Share, *, process: str, processes: str, roster: Roster | None
    ) -> None:
        self._link = link
        self._share = share
        self._process = process
        # The second is in the same slot of a cluster, and among the keys that the user may touch.
        self._keys = (processes, f"{processes}:mark:{{{processes}}}")
        self._roster = roster
        self._full_by = 0.0  # when every process that there is has registered again
        self._missing = False
        self._servers: frozenset[str] = frozenset()

    def guess(self) -> None:
        """The server is away at the start: take the share of one among as many as there were."""
        if self._roster is not None:
            # Whichever of them it is: the last has no part in what is left over.
            self._share.processes = self._roster.read()
            self._share.place = self._share.processes - 1

    def begin_anew(self) -> None:
        """The server was away: whoever is there has to register again."""
        self._full_by = asyncio.get_running_loop().time() + _GONE_MS / 1000
        self._servers = frozenset()

    async def register(self) -> str:
        """Say that this process is there. Raises LinkError.

        Gives the server's mark, which is another one when it, or one of its cluster, has lost what
        it had counted.
        """
        before, self._servers = self._servers, await self._link.servers()
        if before - self._servers:
            # The key of the mark may be on another, which has lost nothing.
            raise LinkError("a server of the cluster was started anew, or another took its place")
        beat = Command(BEAT, self._keys, (self._process, _GONE_MS))
        ((*answer, mark),) = await self._link.run([beat])
        # A server that was restarted knows only those who have come back so far. Should it go
        # again before all have, the shares of few would be too large.
        whole = asyncio.get_running_loop().time() >= self._full_by
        known = self._share.processes
        self._missing = answer[1] < known
        if whole or answer[1] >= known:
            self._share.place, self._share.processes = answer
        if self._roster is not None and self._share.processes != known:
            self._roster.write(self._share.processes)
        said = mark if isinstance(mark, str) else bytes(mark).decode()
        return f"{said} {_digest(self._servers)}" if self._servers else said

    async def assembled(self) -> None:
        """Wait until as many are back as there were, a second at most. Raises LinkError."""
        for _ in range(_LOOKS):
            if not self._missing:
                return
            await asyncio.sleep(_ASSEMBLE_SECONDS / _LOOKS)
            await self.register()

    def leaving(self) -> Command:
        """What tells the server that this process ends."""
        return Command(LEAVE, self._keys[:1], (self._process,))


def _digest(servers: frozenset[str]) -> str:
    # Short, as each counter that is restored is given the mark.
    return blake2b(",".join(sorted(servers)).encode(), digest_size=8).hexdigest()
