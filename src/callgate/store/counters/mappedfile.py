"""The file behind `slots`: its layout, and how processes agree on one file.

In native byte order: a header of 64 bytes (magic, version of the layout, number of slots, each a
word of 8 bytes), then for each slot a key of 16 bytes, whose last byte is the period, then for each
slot its counter as three words (`opened`, `used`, `birth`; see `core.limits`). Zeros are an empty
table.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
from pathlib import Path

from callgate.store.base import StoreError

HEADER = 64
KEY = 16
WORDS = 3
_MAGIC = int.from_bytes(b"cglimits", "big")
_VERSION = 2

# This byte of the header is locked by who opens the file.
_OPEN_LOCK = 0
_log = logging.getLogger("callgate.counters")


def open_table(path: Path, slots: int) -> int:
    """A descriptor of a sound table at `path`, made with `slots` slots or replaced as need be.

    Every process that calls this gets the same file. One that is none of Callgate's is moved aside.
    Raises StoreError where the file cannot be made.
    """
    if slots < 1:
        raise ValueError("slots has to be at least 1")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                # Held by at most one process per inode, and dropped by the kernel at its death.
                fcntl.lockf(fd, fcntl.LOCK_EX, 1, _OPEN_LOCK)
                if _is_at(path, fd) and _lay_out(fd, path, slots):
                    fcntl.lockf(fd, fcntl.LOCK_UN, 1, _OPEN_LOCK)
                    return fd
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)
    except OSError as error:
        raise StoreError(
            f"cannot open the table of limits {path}: {error.strerror}; give Callgate a `data_dir` "
            "that it may write to, with room on its disk"
        ) from error


def _is_at(path: Path, fd: int) -> bool:
    """Whether the path still leads to this file; another process may have replaced it."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(path.stat(), os.fstat(fd))
    return False


def _lay_out(fd: int, path: Path, slots: int) -> bool:
    """Whether the file, whose open lock is held, is a sound table now; if not, open it again."""
    size = os.fstat(fd).st_size
    head = memoryview(os.pread(fd, HEADER, 0).ljust(HEADER, b"\0")).cast("Q")
    magic, version, found = head[0], head[1], head[2]
    if (magic, version) == (_MAGIC, _VERSION) and found > 0 and size == _size(found):
        return True
    if size <= _size(slots) and not any(os.pread(fd, size, 0)):
        # Fresh, or left by a process that was killed right here.
        _fill(fd, slots)
        return True
    if magic != _MAGIC:
        aside = path.with_name(f"{path.name}.damaged")
        path.replace(aside)
        _log.error("windows start again: their table is damaged", extra={"detail": f"see {aside}"})
        return False
    # Another version of Callgate may still have it mapped, so it is replaced, not rewritten.
    _log.warning("windows start again: their table has another layout or size")
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    new = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _fill(new, slots)
    finally:
        os.close(new)
    fresh.replace(path)
    return False


def _fill(fd: int, slots: int) -> None:
    # Written out, not left as a hole: a full disk has to show here and not at a store into memory.
    os.pwrite(fd, bytes(_size(slots)), 0)
    if os.fstat(fd).st_size != _size(slots):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    words = memoryview(bytearray(HEADER)).cast("Q")
    words[0], words[1], words[2] = _MAGIC, _VERSION, slots
    os.pwrite(fd, words, 0)


def _size(slots: int) -> int:
    return HEADER + slots * (KEY + WORDS * 8)
