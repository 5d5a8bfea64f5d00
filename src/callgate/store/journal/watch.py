"""Passes every record to observers once, as it is read from the journal, store or no store."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path

from callgate.core.entry import Entry, entries_of
from callgate.store.journal import segments

_LINES = 500
_ROUNDS = 40

Observer = Callable[[Sequence[Entry]], None]


class Watch:
    """Gives the records of a journal folder to observers, each once, in the order of writing.

    The shipper hands over what it reads anyway. While the store is away it reads the same lines
    again and again; then `ahead` reads on from where the last record was told.
    """

    def __init__(self, folder: Path, observers: Sequence[Observer]) -> None:
        self._folder = folder
        self._observers = tuple(observers)
        self._told: dict[Path, int] = {}

    def read(self, path: Path, at: int, end: int, entries: Sequence[Entry]) -> None:
        """The shipper has read these records of a segment, from offset `at` to `end`."""
        told = self._told.get(path, at)
        if told <= at:
            self._observe(entries)
            self._told[path] = end
        elif told < end:
            self._read_on(path)

    def ahead(self) -> None:
        """Tell of what the shipper does not come to, as the store takes nothing; some at a time."""
        for path in segments.listed(self._folder):
            with contextlib.suppress(OSError):  # one that cannot be read, as the shipper tells
                self._read_on(path)

    def removed(self, path: Path) -> None:
        """The segment is gone."""
        self._told.pop(path, None)

    def _observe(self, entries: Sequence[Entry]) -> None:
        for observe in self._observers:
            observe(entries)

    def _read_on(self, path: Path) -> None:
        with contextlib.suppress(FileNotFoundError), segments.reading(path) as fd:
            at = self._told.get(path)
            if at is None:
                at = segments.offset_of(path)
            for _ in range(_ROUNDS):
                chunk = segments.read(fd, at, _LINES)
                if chunk.end == at:
                    break
                self._observe(entries_of(chunk.records)[0])
                self._told[path] = at = chunk.end
