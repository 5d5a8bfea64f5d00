"""A process whose N-th call of the operating system kills it, or fails: for every N.

Run as a program it takes records through the journal to a store, which is whoever reads its output,
again and again; and tells of each run, as a line of JSON, its folder, the call that was struck, the
records that were kept, and those that were given to the store, as their JSON.
"""

from __future__ import annotations

import errno
import fcntl
import json
import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from callgate.core.entry import Entry
from callgate.store.journal.journal import Journal
from callgate.store.journal.shipper import Shipper
from samples import answered

_CALLS = {
    os: "close dup fdatasync fstat ftruncate mkdir open posix_fallocate pread pwrite rename replace"
    " scandir unlink write",
    fcntl: "flock",
    mmap: "mmap",
}
_NEVER_FAIL = frozenset({"close", "fstat"})  # on a file that is open, but where it is a network's
_SHIPPED = 2


class Strike:
    """Strikes the call of this number: by death, or by an error that lasts until `heal`."""

    def __init__(self, at: int, error: str | None) -> None:
        self._at = at
        self._error = error
        self._calls = 0
        self.call = ""

    def prepare(self) -> None:
        """From now on calls are counted."""
        for module, names in _CALLS.items():
            for name in names.split():
                setattr(module, name, self._struck(name, getattr(module, name)))

    def heal(self) -> None:
        """From now on nothing fails."""
        self._at = sys.maxsize

    def _struck(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            self._calls += 1
            if self._calls >= self._at and not (self._error and name in _NEVER_FAIL):
                self.call = self.call or name
                if self._error is None:
                    os.kill(os.getpid(), signal.SIGKILL)
                number = getattr(errno, self._error or "")
                raise OSError(number, os.strerror(number))
            return real(*arguments, **named)

        return call


class Store:
    """A store behind a pipe: it has what it was told of."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say

    def append_many(self, entries: Sequence[Entry]) -> None:
        """Tell of them; then they are kept."""
        for entry in entries:
            self._say("stored", entry.body.decode())


def keep(folder: Path, strike: Strike, told: int) -> None:
    """Append records, each told of as soon as it is kept, and ship them meanwhile."""
    write = os.write

    def say(what: str, of: str) -> None:
        write(told, f"{what} {of}\n".encode())

    journal = Journal(folder, segment_bytes=2000, mapped=True)
    shipper = Shipper(folder, Store(say), time.time)  # type: ignore[arg-type]
    strike.prepare()
    for number in range(4):
        if number == 3:
            strike.heal()
        record = answered()
        journal.append(msgspec.json.encode(record))
        say("kept", record.request_id)
        shipper.ship(_SHIPPED)
    journal.close()
    while shipper.ship():
        pass
    say("struck", strike.call)


def run(folder: Path, at: int, error: str | None) -> dict[str, Any]:
    """What became of a process of which the call of this number was struck."""
    heard, told = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(heard)
        keep(folder, Strike(at, error), told)
        os._exit(0)
    os.close(told)
    said: dict[str, list[str]] = {"kept": [], "stored": [], "struck": []}
    with os.fdopen(heard) as file:
        for line in file:
            what, _, of = line[:-1].partition(" ")
            said[what].append(of)
    os.waitpid(pid, 0)
    return {"folder": str(folder), "error": error, "at": at, **said}


def main(folder: Path) -> None:
    """Every call by every fault."""
    for error in (None, "EIO"):
        for at in count(1):
            said = run(folder / f"{error}-{at}", at, error)
            print(json.dumps(said), flush=True)
            if said["struck"] == [""]:
                break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
