"""The append-only journal: where a record is safe before its response ends.

Each writer has a segment of its own (see `segments`, `appender`). A record survives `kill -9` from
the moment `append` returns; the operating system has it then. What becomes of it when the machine
itself dies is what `Fsync` says.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from callgate.core.ids import is_request_id, unix_ms
from callgate.core.record import Record, Timed
from callgate.store import segments
from callgate.store.appender import Appender, can_be_mapped
from callgate.store.base import StoreError
from callgate.store.framing import frame, salvage, unframe

_SEGMENT_BYTES = 16 << 20
_HELD_RECORDS = 10_000
_HELD_BYTES = 64 << 20
_AT_ONCE = 64
_SCANNED = 512
_GLANCE = 8 << 10

# These pass by themselves, and another file would fare no better.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_SHORT = _FULL | {errno.EMFILE, errno.ENFILE}


Fsync = Literal["never", "second", "always"]
"""When the disk has to have a record: when the operating system pleases, within about a second (who
has the journal calls `sync`), or before `append` returns.
"""


class Journal:
    """The writer of one process, for one thread, but for `sync`.

    A record that cannot be written is held in memory, up to a bound; `lost` counts those that had
    to be given up because too many were held. Raises StoreError where the folder cannot be made or
    written to at all; a full disk is no such case.
    """

    def __init__(
        self,
        folder: Path,
        segment_bytes: int = _SEGMENT_BYTES,
        fsync: Fsync = "never",
        *,
        mapped: bool | None = None,
    ) -> None:
        self._folder = folder
        self._mapped = mapped
        self._segment_bytes = segment_bytes
        self._fsync = fsync
        self._unsynced = False
        self._held: deque[bytes] = deque()
        self._held_bytes = 0
        self._trouble: str | None = None
        self._appender: Appender | None = None
        self.lost = 0
        try:
            self._open()
        except OSError as error:
            if error.errno not in _SHORT:
                raise StoreError(
                    f"cannot write the journal in {folder}: {error.strerror}; give Callgate a "
                    "`data_dir` that it may write to"
                ) from error
            self._trouble = error.strerror

    @property
    def held(self) -> int:
        """How many records wait in memory."""
        return len(self._held)

    @property
    def degraded(self) -> str | None:
        """What is wrong, for people; None where every record given so far is written."""
        if self._trouble is None:
            return None
        return (
            f"the journal in {self._folder} cannot be written: {self._trouble}; "
            f"{self.held} records are held in memory, {self.lost} are lost"
        )

    def append(self, record: bytes) -> None:
        """Keep a record, given as its JSON. Never raises for a disk that fails."""
        line = frame(record)
        if self._held:
            self._hold(line)
            self._write_held(_AT_ONCE)
        elif not self._write(line):
            self._hold(line)

    def flush(self, most: int | None = None) -> bool:
        """Try again to write what is held, `most` records at most; whether nothing is left."""
        self.look()
        return self._write_held(len(self._held) if most is None else most)

    def look(self) -> None:
        """Begin another segment where this one was deleted from under its writer.

        Nobody would find what comes next in it, nor what had not been shipped: that is copied.
        """
        appender = self._appender
        with suppress(OSError):
            if appender is not None and os.fstat(appender.fd).st_nlink == 0:
                lines = os.pread(appender.fd, appender.size, 0)
                self._abandon()
                if lines and not self._write(lines):
                    for line in lines.splitlines(keepends=True):
                        self._hold(line)

    def take_held(self) -> list[bytes]:
        """The records that wait in memory, as their JSON; from now on they are the caller's."""
        lines, self._held, self._held_bytes = self._held, deque(), 0
        return [record for line in lines if (record := unframe(line, 0, len(line) - 1))]

    def sync(self) -> None:
        """Make the disk have what was written so far. Blocks; may be called from another thread."""
        appender = self._appender
        if not self._unsynced or appender is None:
            return
        self._unsynced = False
        try:
            fd = os.dup(appender.fd)  # lest the segment be ended meanwhile
        except OSError:
            return  # it has been ended just now, and synced with that
        try:
            try:
                os.fdatasync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            self._trouble = error.strerror

    def close(self) -> None:
        """Write what is held, if it can be, and end the segment."""
        self.flush()
        self._abandon()

    def _write_held(self, count: int) -> bool:
        for _ in range(count):
            if not self._held or not self._write(self._held[0]):
                break
            self._held_bytes -= len(self._held.popleft())
        return not self._held

    def _hold(self, line: bytes) -> None:
        self._held.append(line)
        self._held_bytes += len(line)
        while len(self._held) > _HELD_RECORDS or self._held_bytes > _HELD_BYTES:
            self._held_bytes -= len(self._held.popleft())
            self.lost += 1

    def _write(self, line: bytes) -> bool:
        try:
            appender = self._appender or self._open()
            appender.append(line)
        except OSError as error:
            self._trouble = error.strerror
            if error.errno not in _FULL:
                self._abandon()
            return False
        if self._fsync == "always":
            try:
                os.fdatasync(appender.fd)
            except OSError as error:
                self._trouble = error.strerror
                appender.size -= len(line)  # it is written again, into another segment
                self._abandon()
                return False
        self._trouble = None
        self._unsynced = True
        if appender.size >= self._segment_bytes:
            self._abandon()
        return True

    def _open(self) -> Appender:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        mapped = can_be_mapped(self._folder) if self._mapped is None else self._mapped
        self._appender = appender = Appender(self._folder, mapped=mapped)
        if self._fsync != "never":
            segments.sync_folder(self._folder)  # or the file's very name might be lost
        return appender

    def _abandon(self) -> None:
        """End the segment; the next write begins another."""
        appender, self._appender = self._appender, None
        if appender is None:
            return
        self._unsynced = False
        with suppress(OSError):  # an empty segment that stays is deleted by the shipper
            if appender.size == 0:
                appender.path.unlink(missing_ok=True)
            elif self._fsync != "never":
                os.fdatasync(appender.fd)
        with suppress(OSError):
            appender.end()


class Backlog(NamedTuple):
    """What is written but not shipped: segments that carry some, bytes, age of the oldest in s."""

    segments: int
    bytes: int
    oldest_age: float | None


def backlog(folder: Path, now: float) -> Backlog:
    """How far the shipper is behind. `now` is Unix seconds."""
    behind = size = 0
    oldest: int | None = None
    with suppress(StoreError):  # what cannot be read is nothing to count; the shipper tells of it
        for fd, offset in _unshipped(folder):
            left = segments.written(fd, offset) - offset
            if left <= 0:
                continue
            behind += 1
            size += left
            for record in segments.read(fd, offset, 1, block=_GLANCE).records[:1]:
                begun = msgspec.json.decode(record, type=Timed).time
                oldest = begun if oldest is None else min(oldest, begun)
    return Backlog(behind, size, None if oldest is None else max(now - oldest / 1000, 0.0))


def _unhurried() -> None:
    """The `tick` of callers that set no bound of time."""


def find(folder: Path, request_id: str, tick: Callable[[], None] = _unhurried) -> Record | None:
    """The record of this id, if it is in the journal and not shipped yet.

    Look in the store first, then here, then in the store again: a record that is shipped between
    the first two looks is found by the third. `tick` is called before each segment, and may raise.
    Raises StoreError where it may be in a segment that cannot be read.
    """
    if not is_request_id(request_id):
        return None
    needle = request_id.encode()
    unreadable: StoreError | None = None
    for path in _likely_first(folder, request_id):
        tick()
        try:
            with segments.reading(path) as fd:
                offset = segments.offset_of(path)
                data = os.pread(fd, max(os.fstat(fd).st_size - offset, 0), offset)
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable = _unreadable(path, error)
            continue
        for line in _lines_with(needle, data):
            for found in salvage(line):
                if needle in found:
                    record = msgspec.json.decode(found, type=Record)
                    if record.request_id == request_id:
                        return record
    if unreadable is not None:
        raise unreadable
    return None


def scan(
    folder: Path, holding: bytes = b"", tick: Callable[[], None] = _unhurried
) -> Iterator[Record]:
    """Every record that is not shipped yet, segment by segment, in the order of writing.

    Those whose JSON does not hold these bytes are passed over, which costs less than to decode
    them. `tick` is called now and then, and may raise. Raises StoreError at the end where a segment
    cannot be read.
    """
    for fd, offset in _unshipped(folder):
        at = -1
        chunk = segments.Chunk([], [], offset)
        while chunk.end != at:
            at = chunk.end
            tick()
            chunk = segments.read(fd, at, _SCANNED)
            for record in chunk.records:
                if holding in record:
                    yield msgspec.json.decode(record, type=Record)


def _lines_with(needle: bytes, data: bytes) -> Iterator[bytes]:
    at = data.find(needle)
    while at >= 0:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        yield data[data.rfind(b"\n", 0, at) + 1 : end]
        at = data.find(needle, end)


def _unshipped(folder: Path) -> Iterator[tuple[int, int]]:
    """A descriptor of each segment and the offset from which on it is not shipped.

    Raises StoreError behind the last where one of them cannot be read.
    """
    unreadable: StoreError | None = None
    for path in segments.listed(folder):
        try:
            with segments.reading(path) as fd:
                offset = segments.offset_of(path)
                os.pread(fd, 1, offset)
                yield fd, offset
        except FileNotFoundError:
            continue
        except OSError as error:
            unreadable = _unreadable(path, error)
    if unreadable is not None:
        raise unreadable


def _unreadable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"a part of the journal, {path}, cannot be read: {error.strerror}; give it to the user "
        "that Callgate runs as, or move it away"
    )


def _likely_first(folder: Path, request_id: str) -> list[Path]:
    """Newest first, but those last written before the request came after all others."""
    begun = unix_ms(request_id) / 1000

    def likely(path: Path) -> bool:
        try:
            return path.stat().st_mtime >= begun
        except FileNotFoundError:
            return False

    return sorted(segments.listed(folder), key=lambda path: (likely(path), path.name), reverse=True)
