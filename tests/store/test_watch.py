"""Every record is told of once, whatever becomes of the store."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from callgate.core.entry import Entry
from callgate.core.record import Record
from callgate.store.base import Query, StoreError
from callgate.store.journal.journal import Journal
from callgate.store.journal.shipper import Shipper
from callgate.store.journal.watch import Watch
from store.written import fd_of


class Requests:
    """A log that takes records while it is there."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.away = False

    def append_many(self, entries: Sequence[Entry]) -> int:
        if self.away:
            raise StoreError("away")
        self.kept += [entry.body for entry in entries]
        return len(entries)

    def get(self, request_id: str) -> Record | None:
        raise NotImplementedError

    def find(self, query: Query) -> Iterator[Record]:
        raise NotImplementedError

    def delete_before(self, time: int, limit: int) -> int:
        return 0


def record(number: int) -> bytes:
    return b'{"request_id":"%d","time":0,"status":200}' % number


@pytest.mark.parametrize("limit", [1, 3, 2000])
def test_each_record_once_though_the_store_goes_away(tmp_path: Path, limit: int) -> None:
    requests, told = Requests(), list[Entry]()
    watch = Watch(tmp_path, [told.extend])
    shipper = Shipper(tmp_path, requests, lambda: 0.0, watch)  # type: ignore[arg-type]
    journals = [Journal(tmp_path, segment_bytes=300), Journal(tmp_path)]
    written = [record(number) for number in range(120)]
    for at, line in enumerate(written):
        journals[at % 2].append(line)
        requests.away = 40 <= at < 80
        shipper.ship(limit)
    requests.away = False
    while shipper.ship(limit):
        pass
    assert sorted(requests.kept) == sorted(written)
    assert sorted(entry.body for entry in told) == sorted(written)
    for journal in journals:
        journal.close()
    while shipper.ship(limit) or list(tmp_path.glob("*.journal")):
        pass
    assert not watch._told  # of segments that are gone nothing is kept


def test_what_waits_is_told_of_while_the_store_is_away(tmp_path: Path) -> None:
    requests, told = Requests(), list[Entry]()
    requests.away = True
    shipper = Shipper(tmp_path, requests, lambda: 0.0, Watch(tmp_path, [told.extend]))  # type: ignore[arg-type]
    journal = Journal(tmp_path)
    for number in range(50):
        journal.append(record(number))
    shipper.ship(10)
    assert len(told) == 50
    shipper.ship(10)
    assert len(told) == 50
    assert shipper.trouble == "away"


def test_a_segment_that_cannot_be_read_to_its_end_is_told_of_once_and_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Entry] = []
    watch = Watch(tmp_path, [told.extend])
    spoilt, sound = Journal(tmp_path), Journal(tmp_path)
    for number in range(600):
        (spoilt if number < 599 else sound).append(record(number))
    (tmp_path / "0-0-00000000.journal").mkdir()
    pread, number = os.pread, fd_of(spoilt)

    def spoiling(fd: int, size: int, at: int) -> bytes:
        if at and os.path.sameopenfile(fd, number):
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, size, at)

    monkeypatch.setattr(os, "pread", spoiling)
    for _ in range(3):
        watch.ahead()
        assert sorted(entry.body for entry in told) == sorted(
            record(at) for at in (*range(500), 599)
        )
