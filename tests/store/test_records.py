"""Records wherever they are: pages over store and journal, and what happens when either is away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callgate.core.record import Record
from callgate.store import sql
from callgate.store.base import Query, Store, StoreError
from callgate.store.journal.journal import Journal
from callgate.store.opening import open_store
from callgate.store.records import Records
from samples import answered, booked, failed

HOUR = 3_600_000
DAY = 24 * HOUR
PATIENCE = 60.0


class Place:
    """A store and a journal, and the records of both."""

    def __init__(self, folder: Path) -> None:
        self.store: Store = open_store(f"sqlite:///{folder / 'callgate.db'}")
        self.folder = folder / "journal"
        self.journal = Journal(self.folder)
        self.records = Records(self.store.requests, self.folder, patience=PATIENCE)

    def ship(self, *made: Record) -> None:
        self.store.requests.append_many(booked(*made))

    def write(self, *made: Record) -> None:
        for one in made:
            self.journal.append(msgspec.json.encode(one))

    def page(self, seconds: float = 60.0, **query: Any) -> tuple[list[str], str | None]:
        oldest = int(time.time() * 1000) - 30 * DAY
        page = self.records.page(Query(**query), oldest, seconds)
        return [one.request_id for one in page.records], page.cursor


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path)
    yield made
    made.journal.close()
    made.store.close()


def test_a_page_is_of_both_and_none_comes_twice(place: Place) -> None:
    ages = (20 * DAY, 3 * DAY, DAY, 5 * HOUR, HOUR, 60_000, 0)
    made = [answered(ago_ms=age) for age in ages]
    place.ship(*made[:5])
    place.write(*made[4:])
    ids = [one.request_id for one in made[::-1]]
    assert place.page() == (ids, None)
    assert place.page(limit=7) == (ids, None)
    assert place.page(limit=3) == (ids[:3], ids[2])
    assert place.page(limit=3, before=ids[2]) == (ids[3:6], ids[5])
    assert place.page(limit=3, before=ids[5]) == (ids[6:], None)
    assert place.page(account="nobody") == ([], None)
    assert place.page(since=made[2].time, until=made[5].time) == (ids[2:5], None)


def test_a_rare_match_is_found_page_by_page_in_bounded_time(place: Place) -> None:
    rare = failed(ago_ms=2 * DAY)
    place.ship(rare, *(answered(ago_ms=age * HOUR) for age in range(30)))
    cursor, pages = None, 0
    while True:
        ids, cursor = place.page(seconds=0, failed=True, before=cursor)
        pages += 1
        if ids:
            break
        assert cursor is not None
    assert ids == [rare.request_id]
    assert pages > 5
    assert place.page(failed=True) == ([rare.request_id], None)


def test_what_is_not_kept_takes_no_place(place: Place) -> None:
    made = [answered(ago_ms=1000 - age, path=f"/{age % 2}") for age in range(20)]
    place.ship(*made[:10])
    place.write(*made[10:])
    oldest = made[0].time - DAY
    page = place.records.page(Query(limit=8), oldest, 60.0, lambda one: one.path == "/1")
    assert [one.request_id for one in page.records] == [
        one.request_id for one in made[::-1] if one.path == "/1"
    ][:8]


def test_what_is_not_kept_is_passed_over_page_by_page_in_bounded_time(place: Place) -> None:
    made = [answered(ago_ms=100 - age, path=f"/{age < 3}") for age in range(20)]
    place.ship(*made)
    oldest = made[0].time - DAY
    found, cursor, pages = [], None, 0
    while True:
        query = Query(limit=5, before=cursor)
        page = place.records.page(query, oldest, 0.0, lambda one: one.path == "/True")
        found += page.records
        pages += 1
        cursor = page.cursor
        if cursor is None or len(found) == 3:
            break
    assert [one.request_id for one in found] == [one.request_id for one in made[2::-1]]
    assert pages > 10


def test_a_search_for_what_few_hold_ends_in_time_however_many_are_of_one_moment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_PAGE_READ_FOR", 5)
    made = [answered(ago_ms=100 - age) for age in range(20)]
    place.ship(*made)
    query = Query(holding=b'"nobody"')
    page = place.records.page(query, made[0].time - DAY, 0.0, lambda _: False)
    assert (page.records, page.cursor) == ([], made[-5].request_id)


def test_the_slow_and_the_dear_are_found_wherever_they_are_and_nothing_else(place: Place) -> None:
    slow = [answered(ago_ms=age, total_us=10_000_000) for age in (40, 20)]
    dear = [answered(ago_ms=age, cost_usd=0.5) for age in (30, 10)]
    place.ship(answered(ago_ms=60), slow[0], dear[0], answered(ago_ms=25))
    place.write(slow[1], answered(ago_ms=15), dear[1])
    for query, wanted in (
        (Query(min_us=10_000_000), slow),
        (Query(min_cost=0.5), dear),
        (Query(min_us=10_000_000, min_cost=0.5), []),
        (Query(min_us=10_000_000, limit=1), slow[1:]),
    ):
        expected = [one.request_id for one in wanted[::-1]]
        assert [one.request_id for one in place.records.find(query)] == expected
        page = place.records.page(query, dear[0].time - DAY, PATIENCE)
        assert [one.request_id for one in page.records] == expected
        assert (page.cursor is None) == (query.limit > 1)


def test_a_search_for_what_was_slow_goes_on_from_its_cursor(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_PAGE_READ_FOR", 5)
    made = [answered(ago_ms=100 - age, total_us=age % 8) for age in range(40)]
    place.ship(*made)
    found: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        ids, cursor = place.page(seconds=0.0, min_us=7, before=cursor)
        found += ids
        pages += 1
    assert found == [one.request_id for one in made[::-1] if one.total_us == 7]
    assert pages > 8


def test_counts_are_of_both(place: Place) -> None:
    place.ship(answered(), failed())
    place.write(answered(), answered(account="other"))
    counted = {(one.status, one.error): one.calls for one in place.records.tally(Query())}
    assert counted == {(200, None): 3, (504, "upstream_timeout"): 1}
    assert [one.calls for one in place.records.tally(Query(account="other"))] == [1]


def test_while_the_store_is_away_the_journal_still_tells(place: Place, tmp_path: Path) -> None:
    unshipped, shipped = answered(), answered()
    place.write(unshipped)
    place.ship(shipped)
    place.store.close()
    (tmp_path / "callgate.db").write_bytes(b"no database, but long enough to be looked at" * 99)
    for more in ("-wal", "-shm"):
        (tmp_path / f"callgate.db{more}").unlink(missing_ok=True)
    assert place.records.get(unshipped.request_id) == unshipped
    with pytest.raises(StoreError):
        place.records.get(shipped.request_id)


def test_a_huge_backlog_is_not_looked_through_for_ever(place: Place) -> None:
    place.write(answered())
    hasty = Records(None, place.folder, patience=-1.0)
    for look in (lambda: hasty.get(answered().request_id), lambda: hasty.find(Query())):
        with pytest.raises(StoreError, match="more than can be looked through"):
            look()
