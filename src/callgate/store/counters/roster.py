"""How many processes counted on the server when it was last heard, in a file."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from callgate.store.wholefile import write_whole

_MOST = 100_000


class Roster:
    """One file: for a process that starts while the server is away, and has to know its share."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, processes: int) -> None:
        """Replace what is remembered, in one step. What cannot be written is not remembered."""
        with suppress(OSError):
            write_whole(self._path, b"%d\n" % processes)

    def read(self) -> int:
        """What is remembered; 1 where there is nothing sound."""
        try:
            return min(max(int(self._path.read_bytes()[:20]), 1), _MOST)
        except (OSError, ValueError):
            return 1
