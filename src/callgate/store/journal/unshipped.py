"""What the journal holds that is not shipped yet: found, read through, and how much it is."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from callgate.core.ids import is_request_id, unix_ms
from callgate.core.record import Record, Timed
from callgate.store.base import StoreError
from callgate.store.journal import segments
from callgate.store.journal.framing import salvage

_SCANNED = 512
_GLANCE = 8 << 10

T = TypeVar("T")


class Backlog(NamedTuple):
    """What is written but not shipped: segments that carry some, bytes, age of the oldest in s."""

    segments: int
    bytes: int
    oldest_age: float | None


def backlog(folder: Path, now: float) -> Backlog:
    """How far the shipper is behind. `now` is Unix seconds."""
    behind = size = 0
    oldest: int | None = None

    def waiting(fd: int, offset: int) -> Iterator[tuple[int, list[bytes]]]:
        if (left := segments.written(fd, offset) - offset) > 0:
            yield left, segments.read(fd, offset, 1, block=_GLANCE).records[:1]

    with suppress(StoreError):  # what cannot be read is nothing to count; the shipper tells of it
        for left, first in _unshipped(folder, waiting):
            behind += 1
            size += left
            for record in first:
                begun = msgspec.json.decode(record, type=Timed).time
                oldest = begun if oldest is None else min(oldest, begun)
    return Backlog(behind, size, None if oldest is None else max(now - oldest / 1000, 0.0))


def unhurried() -> None:
    """The `tick` of callers that set no bound of time."""


def find(folder: Path, request_id: str, tick: Callable[[], None] = unhurried) -> Record | None:
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
    folder: Path, holding: bytes = b"", tick: Callable[[], None] = unhurried
) -> Iterator[Record]:
    """Every record that is not shipped yet, segment by segment, in the order of writing.

    Those whose JSON does not hold these bytes are passed over, which costs less than to decode
    them. `tick` is called now and then, and may raise. Raises StoreError at the end where a segment
    cannot be read.
    """

    def records(fd: int, offset: int) -> Iterator[Record]:
        at = -1
        chunk = segments.Chunk([], [], offset)
        while chunk.end != at:
            at = chunk.end
            tick()
            chunk = segments.read(fd, at, _SCANNED)
            for record in chunk.records:
                if holding in record:
                    yield msgspec.json.decode(record, type=Record)

    return _unshipped(folder, records)


def _lines_with(needle: bytes, data: bytes) -> Iterator[bytes]:
    at = data.find(needle)
    while at >= 0:
        end = data.find(b"\n", at)
        end = len(data) if end < 0 else end
        yield data[data.rfind(b"\n", 0, at) + 1 : end]
        at = data.find(needle, end)


def _unshipped(folder: Path, look: Callable[[int, int], Iterator[T]]) -> Iterator[T]:
    """What `look` gives of each segment, told its descriptor and from where on it is not shipped.

    Raises StoreError behind the last where one of them cannot be read, be it in part.
    """
    unreadable: StoreError | None = None
    for path in segments.listed(folder):
        try:
            with segments.reading(path) as fd:
                yield from look(fd, segments.offset_of(path))
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
