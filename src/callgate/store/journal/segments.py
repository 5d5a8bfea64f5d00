"""The journal's files: their names, what is read from them, and how far they have been shipped.

A writer holds an exclusive flock on its segment for as long as it may write to it; a segment that
can be locked will never grow. Its file may end in zeros, room for lines to come (see `appender`),
which are no lines. How far a segment is shipped stands in a small file beside it and not in the
store, so that whoever looks for unshipped records needs no store; a crash between the two ships
some records twice, which the store passes over.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from callgate.store.journal.framing import salvage, unframe

_SUFFIX = ".journal"
_OPENING = ".opening"
_OFFSET = ".offset"
_BLOCK = 256 << 10
_ABANDONED_SECONDS = 60.0


class Chunk(NamedTuple):
    """What was read of a segment: sound records, damaged lines, and the offset after both."""

    records: list[bytes]
    damaged: list[bytes]
    end: int


def create(folder: Path) -> tuple[int, Path]:
    """A new segment, locked for this writer: its descriptor and its path."""
    name = f"{time.time_ns() // 1_000_000:013d}-{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
    path = folder / name
    # It gets its name when it is locked: no shipper sees it unlocked and takes it for finished.
    opening = path.with_suffix(_OPENING)
    fd = os.open(opening, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        opening.rename(path)
    except BaseException:
        os.close(fd)
        opening.unlink(missing_ok=True)
        raise
    return fd, path


def sync_folder(folder: Path) -> None:
    """Make the disk have the names that are in the folder now."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def listed(folder: Path) -> list[Path]:
    """All segments, oldest first."""
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == _SUFFIX)
    except FileNotFoundError:
        return []


@contextmanager
def reading(path: Path) -> Iterator[int]:
    """A descriptor to read the segment by. Raises FileNotFoundError where it has been deleted."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def finished(fd: int) -> bool:
    """Whether no writer holds the segment any more."""
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    fcntl.flock(fd, fcntl.LOCK_UN)
    return True


def written(fd: int, offset: int) -> int:
    """Where the lines end, from an offset on that is not beyond it."""
    size = os.fstat(fd).st_size
    lines = range(offset, max(size, offset))
    return offset + bisect_left(lines, True, key=lambda at: os.pread(fd, 1, at) == b"\0")


def read(fd: int, offset: int, limit: int, *, final: bool = False, block: int = _BLOCK) -> Chunk:
    """The records of up to `limit` lines from `offset` on; of one block unless a line is larger.

    A last line that has no break or is damaged is left alone, for it may still be in the writing;
    with `final` it is taken as it is.
    """
    data, at_end = _load(fd, offset, final=final, block=block)
    whole = len(data)
    data = _without_room(data)
    records: list[bytes] = []
    damaged: list[bytes] = []
    at = doubtful = 0
    for _ in range(limit):
        end = data.find(b"\n", at)
        if end < 0:
            if not (final and at_end and at < len(data)):
                break
            end = len(data)
        record = unframe(data, at, end)
        if record is None and not final and at >= doubtful:
            # Read while it was written? If anything follows by now, it is whole by now.
            data = data[:at] + os.pread(fd, len(data) - at, offset + at)
            doubtful = len(data)
            end = data.find(b"\n", at)
            record = unframe(data, at, end)
        if record is None:
            line = data[at:end]
            found = salvage(line)
            if not (found or final) and end + 1 == len(data):
                break
            records += found
            damaged.append(line)
        else:
            records.append(record)
        at = end + 1
    if final and at_end and at >= len(data):
        at = whole
    return Chunk(records, damaged, offset + min(at, whole))


def _load(fd: int, offset: int, *, final: bool, block: int) -> tuple[bytes, bool]:
    """At least one line or all there is, and whether that is all."""
    data = os.pread(fd, block, offset)
    at_end = len(data) < block
    while not at_end and b"\n" not in data and (final or data[-1]):
        more = os.pread(fd, len(data), offset + len(data))
        at_end = len(more) < len(data)
        data += more
    return data, at_end


def _without_room(data: bytes) -> bytes:
    """The data without the zeros at its end.

    All behind the last line break are compared at once: one by one, as `rstrip` looks at them, they
    would cost more than the lines, of which there are few in a block where the gateway is not busy.
    """
    lines = data.rfind(b"\n") + 1
    room = len(data) - lines
    return data[:lines] if data.endswith(bytes(room)) else data.rstrip(b"\0")


def offset_of(path: Path) -> int:
    """The offset up to which the segment is shipped."""
    try:
        return max(int(path.with_suffix(_OFFSET).read_bytes()), 0)
    except (FileNotFoundError, ValueError):
        return 0


def set_offset(path: Path, offset: int) -> None:
    """Remember the offset, in one step."""
    place = path.with_suffix(_OFFSET)
    fresh = place.with_suffix(f"{_OFFSET}-{os.getpid()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:  # the whole number, or none: a part leads into a line
        file.write(b"%d\n" % offset)
    fresh.replace(place)


def remove(path: Path) -> None:
    """Delete a segment that is shipped."""
    path.unlink(missing_ok=True)
    path.with_suffix(_OFFSET).unlink(missing_ok=True)


def sweep(folder: Path, now: float) -> None:
    """Delete what killed processes left half-made. `now` is Unix seconds."""
    for path in folder.iterdir():
        if path.suffix == _OPENING or path.suffix.startswith(_OFFSET):
            # Gone already where another shipper swept it.
            with contextlib.suppress(FileNotFoundError):
                abandoned = now - path.stat().st_mtime > _ABANDONED_SECONDS
                if abandoned and not path.with_suffix(_SUFFIX).exists():
                    path.unlink()
