"""Every record is told of once, whatever becomes of the store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from callgate.core.entry import Entry
from callgate.core.record import Record
from callgate.store.base import Query, StoreError
from callgate.store.journal.journal import Journal
from callgate.store.journal.shipper import Shipper
from callgate.store.journal.watch import Watch


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
    shipper = Shipper(tmp_path, requests, lambda: 0.0, Watch(tmp_path, [told.extend]))  # type: ignore[arg-type]
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
