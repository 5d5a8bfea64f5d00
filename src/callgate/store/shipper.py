"""Moves records from the journal into the store, and old ones out of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from callgate.core.entry import Entry, entries_of
from callgate.store import segments
from callgate.store.base import RequestLog, StoreError
from callgate.store.watch import Watch

_BATCH_BYTES = 8 << 20
_DAMAGED_FILE = "damaged.log"
_DAMAGED_BYTES = 1 << 20


class _Haul:
    """What one round takes from the journal: about `limit` lines, of so many bytes so far."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.batch: list[Entry] = []
        self.damaged: list[bytes] = []
        self.bytes = 0

    def full(self) -> bool:
        return len(self.batch) >= self.limit or self.bytes >= _BATCH_BYTES


class Shipper:
    """Ships one journal folder. `clock` gives Unix seconds.

    `trouble` says what kept the last call from its work, None if nothing did. `damaged` counts
    lines of the journal that held no sound record; the first MiB of them is kept in `damaged.log`
    in the folder. Shipping is idempotent, so it does no harm if two shippers share a folder.
    `watch` is told of what is read.
    """

    def __init__(
        self,
        folder: Path,
        requests: RequestLog,
        clock: Callable[[], float],
        watch: Watch | None = None,
    ) -> None:
        self._folder = folder
        self._requests = requests
        self._clock = clock
        self._watch = watch
        self._turn = 0
        self.trouble: str | None = None
        self.damaged = 0

    def ship(self, limit: int = 2000) -> int:
        """Move up to about `limit` lines of the journal into the store; how many. 0: all done.

        Never raises for a store or disk that fails: see `trouble`. Segments that are shipped and
        will not grow any more are deleted.
        """
        try:
            shipped = self._ship(limit)
        except (StoreError, OSError) as error:
            self.trouble = str(error)
            if self._watch is not None:
                with contextlib.suppress(OSError):
                    self._watch.ahead()
            return 0
        self.trouble = None
        return shipped

    def prune(self, older_than_ms: int, batch: int = 500) -> int:
        """Delete up to `batch` records from before that time (Unix milliseconds); how many."""
        try:
            deleted = self._requests.delete_before(older_than_ms, batch)
        except StoreError as error:
            self.trouble = str(error)
            return 0
        self.trouble = None
        return deleted

    def _ship(self, limit: int) -> int:
        paths = segments.listed(self._folder)
        if not paths:
            return 0
        # Each call begins with another segment, lest a busy writer keep the others waiting.
        self._turn = (self._turn + 1) % len(paths)
        haul = _Haul(limit)
        ends: dict[Path, int] = {}
        done: list[Path] = []
        for path in paths[self._turn :] + paths[: self._turn]:
            if haul.full():
                break
            with contextlib.suppress(FileNotFoundError), segments.reading(path) as fd:
                offset = segments.offset_of(path)
                # Asked before reading: what is read of a finished segment is all there will be.
                finished = segments.finished(fd)
                end = self._read(haul, path, fd, offset, finished=finished)
                if finished and end >= os.fstat(fd).st_size:
                    done.append(path)
                elif end != offset:
                    ends[path] = end
        moved = len(haul.batch) + len(haul.damaged)
        self._keep(haul.damaged + self._store(haul.batch))
        for path, end in ends.items():
            segments.set_offset(path, end)
        for path in done:
            segments.remove(path)
            if self._watch is not None:
                self._watch.removed(path)
        if not moved:
            segments.sweep(self._folder, self._clock())
        return moved

    def _read(self, haul: _Haul, path: Path, fd: int, offset: int, *, finished: bool) -> int:
        """Add what a segment has from an offset on, as far as there is room; where it ends."""
        end, at = offset, -1
        while end != at and not haul.full():
            at = end
            chunk = segments.read(fd, at, haul.limit - len(haul.batch), final=finished)
            end = chunk.end
            entries, refused = entries_of(chunk.records)
            haul.batch += entries
            haul.damaged += chunk.damaged + refused
            haul.bytes += end - at
            if self._watch is not None:
                self._watch.read(path, at, end, entries)
        return end

    def _store(self, batch: list[Entry]) -> list[bytes]:
        """Append the batch; what in it cannot be kept comes back."""
        if not batch:
            return []
        try:
            self._requests.append_many(batch)
        except ValueError:
            if len(batch) == 1:
                return [batch[0].body]
            middle = len(batch) // 2
            return self._store(batch[:middle]) + self._store(batch[middle:])
        return []

    def _keep(self, damaged: list[bytes]) -> None:
        if not damaged:
            return
        self.damaged += len(damaged)
        # A help for people only: shipping goes on where it cannot be written.
        with contextlib.suppress(OSError):
            fd = os.open(
                self._folder / _DAMAGED_FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600
            )
            try:
                for line in damaged:
                    if os.fstat(fd).st_size + len(line) < _DAMAGED_BYTES:
                        os.write(fd, line + b"\n")
            finally:
                os.close(fd)
