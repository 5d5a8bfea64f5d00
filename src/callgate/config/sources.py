"""The files that a configuration was read from, and whether they still say the same."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

_MOST = 4 * 2**20  # no larger file is read


def mark(data: bytes) -> bytes:
    """What tells the content of a file from any other: its SHA-256."""
    return sha256(data).digest()


def changed(sources: Mapping[Path, bytes]) -> list[Path]:
    """Those of the files that do not hold any longer what bears their mark, or cannot be read."""
    return [file for file, known in sources.items() if _mark_of(file) != known]


def at_once(path: str, flags: int) -> int:
    """Open without waiting: a pipe that nobody writes to would hold up a reload for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def _mark_of(file: Path) -> bytes | None:
    try:
        with open(file, "rb", opener=at_once) as opened:
            if stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                return mark(opened.read(_MOST + 1))
    except OSError:
        pass
    return None
