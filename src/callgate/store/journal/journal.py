"""The append-only journal: where a record is safe before its response ends.

Each writer has a segment of its own (see `segments`, `appender`). A record survives `kill -9` from
the moment `append` returns; the operating system has it then. What becomes of it when the machine
itself dies is what `Fsync` says.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Literal

from callgate.store.base import StoreError
from callgate.store.journal import segments
from callgate.store.journal.appender import Appender, can_be_mapped
from callgate.store.journal.framing import frame, unframe

_SEGMENT_BYTES = 16 << 20
_HELD_RECORDS = 10_000
_HELD_BYTES = 64 << 20
_AT_ONCE = 64

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
        self._synced: tuple[Path | None, int] = (None, 0)  # a segment, and how much the disk has
        self._refused: Appender | None = None  # of which the disk has last refused a part
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

        Nobody would find what comes next in it, nor what had not been shipped: that is copied. So
        is what the disk has refused.
        """
        appender = self._appender
        with suppress(OSError):
            if appender is not None and os.fstat(appender.fd).st_nlink == 0:
                lines = os.pread(appender.fd, appender.size, 0)
                self._abandon()
                if lines and not self._write(lines):
                    for line in lines.splitlines(keepends=True):
                        self._hold(line)
            elif appender is not None and self._refused is appender:
                self._write_again(appender)

    def take_held(self) -> list[bytes]:
        """The records that wait in memory, as their JSON; from now on they are the caller's."""
        lines, self._held, self._held_bytes = self._held, deque(), 0
        return [record for line in lines if (record := unframe(line, 0, len(line) - 1))]

    def sync(self) -> None:
        """Make the disk have what was written so far. Blocks; may be called from another thread.

        A segment of which it has refused a part is left to `look`: the next call would succeed.
        """
        appender = self._appender
        if not self._unsynced or appender is None or self._refused is appender:
            return
        self._unsynced = False
        try:
            fd = os.dup(appender.fd)  # lest the segment be ended meanwhile
        except OSError:
            return  # it has been ended just now, and synced with that
        size = appender.size
        try:
            os.fdatasync(fd)
        except OSError as error:
            self._refused, self._trouble = appender, error.strerror
        else:
            if self._refused is not appender:  # as told to another thread just now
                self._synced = (appender.path, size)
                self._accepted()
        finally:
            os.close(fd)

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
        if self._refused is None:
            self._trouble = None
        self._unsynced = True
        if appender.size >= self._segment_bytes and self._refused is not appender:
            if self._fsync == "second":
                self.sync()
            if self._refused is not appender:
                self._abandon()
        return True

    def _write_again(self, appender: Appender) -> None:
        """Write what the disk has refused into another segment, but for what is safe or shipped.

        To sync it again would do nothing: the system takes for written what it has once failed to
        write. https://lwn.net/Articles/752063/
        """
        path, synced = self._synced
        begin = max(segments.offset_of(appender.path), synced if path == appender.path else 0)
        left = appender.size - begin
        self._appender, self._unsynced = None, False
        try:
            if left <= 0:
                self._accepted()
            elif left > 2 * self._segment_bytes:
                pass  # a disk that goes on refusing would be given more and more of it
            elif self._write(os.pread(appender.fd, left, begin)):
                appender.size = begin
        finally:  # also where it cannot be read any more
            self._end(appender)

    def _accepted(self) -> None:
        if self._refused is not None:
            self._refused = None
            self._trouble = self._trouble if self._held else None

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
        self._end(appender)

    def _end(self, appender: Appender) -> None:
        with suppress(OSError):  # an empty segment that stays is deleted by the shipper
            if appender.size == 0:
                appender.path.unlink(missing_ok=True)
            elif self._fsync != "never":
                os.fdatasync(appender.fd)
        with suppress(OSError):
            appender.end()
