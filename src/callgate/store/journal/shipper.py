"""Moves records from the journal into the store, and old ones out of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from callgate.core.entry import Entry, entries_of
from callgate.store.base import RequestLog, StoreError
from callgate.store.journal import segments
from callgate.store.journal.watch import Watch

_BATCH_BYTES = 8 << 20
_DAMAGED_FILE = "damaged.log"
_DAMAGED_BYTES = 1 << 20


class Shipper:
    """Ships one journal folder. `clock` gives Unix seconds.

    `trouble` says what kept the last call from its work or from a part of it, None if nothing did:
    a segment that cannot be read holds up no other. `damaged` counts lines of the journal that held
    no sound record; the first MiB of them is kept in `damaged.log` in the folder. Shipping is
    idempotent, so it does no harm if two shippers share a folder. `watch` is told of what is read.
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
        self._shipped: dict[Path, int] = {}  # offsets that no file could be given, on a full disk
        self.trouble: str | None = None
        self.damaged = 0

    def ship(self, limit: int = 2000) -> int:
        """Move up to about `limit` lines of the journal into the store; how many. 0: all done.

        Never raises for a store or disk that fails: see `trouble`. Segments that are shipped and
        will not grow any more are deleted.
        """
        troubles: list[str] = []
        try:
            shipped = self._ship(limit, troubles)
        except (StoreError, OSError) as error:
            self.trouble = str(error)
            if self._watch is not None:
                with contextlib.suppress(OSError):
                    self._watch.ahead()
            return 0
        self.trouble = "; ".join(troubles) or None
        return shipped

    def prune(self, older_than_ms: int, batch: int = 500) -> int:
        """Delete up to `batch` records from before that time (Unix milliseconds); how many.

        Where the store has a clock of its own and this one is ahead of it, by so much less.
        """
        try:
            theirs = self._requests.now()
            if theirs is not None:
                older_than_ms -= max(0, int(self._clock() * 1000) - theirs)
            deleted = self._requests.delete_before(older_than_ms, batch)
        except StoreError as error:
            self.trouble = str(error)
            return 0
        self.trouble = None
        return deleted

    def _ship(self, limit: int, troubles: list[str]) -> int:
        paths = segments.listed(self._folder)
        if not paths:
            return 0
        # Each call begins with another segment, lest a busy writer keep the others waiting.
        self._turn = (self._turn + 1) % len(paths)
        batch = _Batch(limit)
        for path in paths[self._turn :] + paths[: self._turn]:
            if batch.full:
                break
            with _noting(troubles):
                self._read(path, batch)
        moved = len(batch.entries) + len(batch.damaged)
        self._keep(batch.damaged + self._store(batch.entries))
        for path, end in batch.done.items():  # first: a full disk has room for the others then
            self._shipped[path] = end
            with _noting(troubles):
                segments.remove(path)
                del self._shipped[path]
                if self._watch is not None:
                    self._watch.removed(path)
        for path, end in batch.ends.items():
            self._shipped[path] = end
            with _noting(troubles):
                segments.set_offset(path, end)
                del self._shipped[path]
        if not moved:
            segments.sweep(self._folder, self._clock())
        return moved

    def _read(self, path: Path, batch: _Batch) -> None:
        """Put into the batch what it has room for of a segment."""
        with segments.reading(path) as fd:
            offset = max(segments.offset_of(path), self._shipped.get(path, 0))
            # Asked before reading: what is read of a finished segment is all there will be.
            finished = segments.finished(fd)
            end, at = offset, -1
            while end != at and not batch.full:
                at = end
                chunk = segments.read(fd, at, batch.room, final=finished)
                end = chunk.end
                entries = batch.add(chunk, end - at)
                if end != at:
                    batch.ends[path] = end
                if self._watch is not None:
                    self._watch.read(path, at, end, entries)
            if finished and end >= os.fstat(fd).st_size:
                batch.done[path] = end
                batch.ends.pop(path, None)

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


class _Batch:
    """What is read of segments to be stored at once: entries, damaged lines, and up to where.

    `done` are the segments of which nothing is left, `ends` the others.
    """

    def __init__(self, limit: int) -> None:
        self.entries: list[Entry] = []
        self.damaged: list[bytes] = []
        self.ends: dict[Path, int] = {}
        self.done: dict[Path, int] = {}
        self._limit = limit
        self._size = 0

    @property
    def room(self) -> int:
        """How many entries may be added."""
        return self._limit - len(self.entries)

    @property
    def full(self) -> bool:
        """Whether nothing may be added."""
        return self.room <= 0 or self._size >= _BATCH_BYTES

    def add(self, chunk: segments.Chunk, size: int) -> list[Entry]:
        """Add what was read of a segment, so many bytes; its entries."""
        entries, refused = entries_of(chunk.records)
        self.entries += entries
        self.damaged += chunk.damaged + refused
        self._size += size
        return entries


@contextlib.contextmanager
def _noting(troubles: list[str]) -> Iterator[None]:
    """Note a failure of the disk, and go on. What is not there, another shipper was done with."""
    try:
        yield
    except FileNotFoundError:
        pass
    except OSError as error:
        troubles.append(str(error))
