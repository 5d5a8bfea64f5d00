"""What the processes of a tree have open, seen from outside, in /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from gateway import children

_ESTABLISHED, _SYN_SENT, _LISTEN = 1, 2, 10


class Open(NamedTuple):
    """`ports` are the remote ports of connections that lead out, `files` the regular files that
    are open for writing. A connection to one of the tree's own listening ports leads in.
    """

    ports: set[int]
    files: set[Path]


def tree(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for child in children(pid):
        yield from tree(child)


def seen(pid: int) -> Open:
    """What the tree below a process has open now."""
    inodes: set[str] = set()
    files: set[Path] = set()
    for each in tree(pid):
        for fd in Path(f"/proc/{each}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                target = str(fd.readlink())
                if target.startswith("socket:["):
                    inodes.add(target[8:-1])
                elif Path(target).is_file() and _writes(each, fd.name):
                    files.add(Path(target))
    rows = [row for family in ("tcp", "tcp6") for row in _rows(pid, family) if row[9] in inodes]
    own = {_port(row[1]) for row in rows if int(row[3], 16) == _LISTEN}
    out = {
        _port(row[2])
        for row in rows
        if int(row[3], 16) in (_ESTABLISHED, _SYN_SENT) and _port(row[1]) not in own
    }
    return Open(out, files)


def _rows(pid: int, family: str) -> Iterator[list[str]]:
    """The columns of a table that proc_pid_net(5) describes."""
    for line in Path(f"/proc/{pid}/net/{family}").read_text().splitlines()[1:]:
        yield line.split()


def _port(address: str) -> int:
    return int(address.rpartition(":")[2], 16)


def _writes(pid: int, fd: str) -> bool:
    flags = Path(f"/proc/{pid}/fdinfo/{fd}").read_text().split("flags:")[1].split()[0]
    return bool(int(flags, 8) & (os.O_WRONLY | os.O_RDWR))
