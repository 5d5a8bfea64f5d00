"""What a `RequestLog` promises, whatever keeps it."""

from __future__ import annotations

import random
import time
from typing import Any

import msgspec
import pytest

from callgate.core.record import Record
from callgate.store.base import Query, RequestLog, Store, UsageQuery
from samples import answered, booked, cut, failed, refused

HOUR = 3_600_000


@pytest.fixture
def log(store: Store) -> RequestLog:
    return store.requests


def put(log: RequestLog, *records: Record) -> None:
    assert log.append_many(booked(*records)) == len(records)


def ids(records: Any) -> list[str]:
    return [record.request_id for record in records]


@pytest.mark.parametrize("make", [answered, refused, failed, cut])
def test_a_record_comes_back_whole(log: RequestLog, make: Any) -> None:
    record = make()
    put(log, record)
    found = log.get(record.request_id)
    assert msgspec.json.encode(found) == msgspec.json.encode(record)


def test_a_record_is_kept_once(log: RequestLog) -> None:
    first, second, third = booked(*(answered() for _ in range(3)))
    assert log.append_many([first, second]) == 2
    assert log.append_many([second, third, third]) == 1
    assert log.append_many([]) == 0
    assert len(list(log.find(Query()))) == 3


def test_of_a_large_batch_in_any_order_what_is_new_is_kept(log: RequestLog) -> None:
    records = booked(*(answered(account=None if n % 7 else "acme") for n in range(230)))
    random.Random(3).shuffle(records)
    assert log.append_many(records[:60]) == 60
    assert log.append_many(records[30:] + records[200:]) == 170
    assert len(list(log.find(Query(limit=1000)))) == 230
    assert len(list(log.find(Query(limit=1000, account="acme")))) == 33
    assert list(log.find(Query(failed=True))) == []
    assert [total.requests for total in log.usage(UsageQuery())] == [230]


@pytest.mark.parametrize(
    "bad",
    [
        "", "x", "0199", "é" * 36, "0" * 31 + "x", "0" * 36, "0" * 35, "-" * 36, " " * 36,
        "00000000-0000-7000-8000-00000000000-", "00000000-0000-7000-8000 000000000000",
        "0000000-00000-7000-8000-000000000000", "00000000-0000-7000-8000-0000000000  ",
    ],
)  # fmt: skip
def test_what_has_no_id_is_refused_with_the_whole_batch(log: RequestLog, bad: str) -> None:
    good = answered()
    with pytest.raises(ValueError, match="not a record"):
        log.append_many(booked(good, answered(request_id=bad)))
    assert log.get(good.request_id) is None


@pytest.mark.parametrize("request_id", ["", "x", "0199", "' OR 1=1", "0" * 32, "é" * 36])
def test_what_is_no_id_finds_nothing(log: RequestLog, request_id: str) -> None:
    put(log, answered())
    assert log.get(request_id) is None
    with pytest.raises(ValueError, match="before"):
        log.find(Query(before=request_id))


def test_records_are_listed_newest_first(log: RequestLog) -> None:
    records = [answered(ago_ms=ago) for ago in (5, 4000, 1, 300)]
    put(log, *records)
    newest = sorted(records, key=lambda record: record.time, reverse=True)
    assert ids(log.find(Query())) == ids(newest)


def test_a_list_is_bounded_and_goes_on_from_its_cursor(log: RequestLog) -> None:
    records = [answered(ago_ms=1000 - number) for number in range(450)]
    put(log, *records)
    newest = ids(records[::-1])
    assert ids(log.find(Query())) == newest[:50]
    assert ids(log.find(Query(limit=430))) == newest[:430]
    assert ids(log.find(Query(limit=10_000))) == newest
    assert ids(log.find(Query(before=newest[9], limit=3))) == newest[10:13]
    assert ids(log.find(Query(limit=0))) == []


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({}, {"good", "other", "401", "404", "504"}),
        ({"account": "acme"}, {"good", "404", "504"}),
        ({"account": "nobody"}, set()),
        ({"key_id": "key_2"}, {"other"}),
        ({"model": "nope"}, {"404"}),
        ({"status": 200}, {"good", "other"}),
        ({"status": 404}, {"404"}),
        ({"status": 4}, {"401", "404"}),
        ({"status": 5}, {"504"}),
        ({"status": 3}, set()),
        ({"error": "unauthorized"}, {"401"}),
        ({"account": "acme", "status": 5, "error": "upstream_timeout"}, {"504"}),
        ({"account": "other", "status": 5}, set()),
        ({"failed": True}, {"401", "404", "504"}),
        ({"failed": True, "account": "acme"}, {"404", "504"}),
    ],
)
def test_filters_are_joined(log: RequestLog, query: dict[str, Any], wanted: set[str]) -> None:
    made = {
        "good": answered(),
        "other": answered(account="other", key_id="key_2"),
        "401": refused(),
        "404": answered(status=404, model="nope", error="model_not_found"),
        "504": failed(),
    }
    put(log, *made.values())
    found = set(ids(log.find(Query(**query))))
    assert {name for name, record in made.items() if record.request_id in found} == wanted


def test_those_that_hold_something_are_found_among_many_and_a_few_others(log: RequestLog) -> None:
    rare = [answered(client_request_id="rare", ago_ms=ago) for ago in (1, 2, 9_000_000)]
    rare.sort(key=lambda one: one.request_id, reverse=True)  # the clock may go on between two
    put(log, *rare, *(answered(ago_ms=60_000 + ago) for ago in range(2500)))
    holding = b'"client_request_id":"rare"'
    found = list(log.find(Query(holding=holding)))
    assert ids(one for one in found if one.client_request_id == "rare") == ids(rare)
    assert len(found) <= 5  # of each page the last, so that a reader can stop there
    assert ids(log.find(Query(holding=holding, limit=2))) == ids(rare[:2])


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"min_us": 10_000_000}, {"slow", "both"}),
        ({"min_us": 10_000_001}, {"both"}),
        ({"min_cost": 0.5}, {"dear", "both"}),
        ({"min_cost": 0.500001}, {"both"}),
        ({"min_us": 1, "min_cost": 0.000001}, {"slow", "dear", "both", "usual"}),
        ({"min_us": 10_000_000, "min_cost": 0.5}, {"both"}),
        ({"min_us": 1, "account": "other"}, {"slow"}),
        ({"min_cost": 0.5, "holding": b'"client_request_id":"x"'}, {"both"}),
    ],
)
def test_the_slow_and_the_dear_are_found_among_a_few_others(
    log: RequestLog, query: dict[str, Any], wanted: set[str]
) -> None:
    made = {
        "slow": answered(total_us=10_000_000, account="other"),
        "dear": answered(cost_usd=0.5),
        "both": answered(total_us=60_000_000, cost_usd=2.0, client_request_id="x"),
        "unpriced": answered(cost_usd=None, account="none"),
        "usual": answered(),
    }
    put(log, *made.values(), *(answered(ago_ms=90_000, total_us=0, cost_usd=0.0) for _ in "12"))
    found = list(log.find(Query(**query)))
    asked = {name for name, one in made.items() if one.request_id in set(ids(found))}
    assert wanted <= asked
    assert len(found) <= len(wanted) + 1  # the last of a page, so that a reader can stop there


def test_a_span_of_time_includes_its_beginning_and_not_its_end(log: RequestLog) -> None:
    old, middle, new = (answered(ago_ms=ago) for ago in (2 * HOUR, HOUR, 0))
    put(log, old, middle, new)
    assert ids(log.find(Query(since=middle.time))) == ids([new, middle])
    assert ids(log.find(Query(until=middle.time))) == ids([old])
    assert ids(log.find(Query(since=old.time + 1, until=new.time))) == ids([middle])
    assert ids(log.find(Query(since=-1, until=2**63 - 1))) == ids([new, middle, old])


def test_days_that_are_over_are_deleted(log: RequestLog) -> None:
    midnight = time.time_ns() // (24 * HOUR * 1_000_000) * 24 * HOUR
    since = time.time_ns() // 1_000_000 - midnight
    ago = [10 * 24 * HOUR, 3 * 24 * HOUR, since + 200_000, since + 100_000, 0]
    records = [answered(ago_ms=one) for one in ago]
    put(log, *records)
    deleted = 0
    while more := log.delete_before(midnight, 2):
        deleted += more
    assert deleted == 4
    assert ids(log.find(Query())) == ids(records[4:])
    assert [log.get(record.request_id) is None for record in records] == [True] * 4 + [False]
    put(log, records[1])  # what comes late is kept until the next time
    assert log.delete_before(midnight, 2) == 1


def test_records_are_counted_by_status_and_error(log: RequestLog) -> None:
    put(log, answered(), answered(), refused(), failed(), answered(account="other"))
    counted = {(one.status, one.error): one.calls for one in log.tally(Query(limit=1))}
    assert counted == {
        (200, None): 3, (401, "unauthorized"): 1, (504, "upstream_timeout"): 1,
    }  # fmt: skip
    (theirs,) = log.tally(Query(account="other"))
    assert tuple(theirs) == (200, None, 1)
    assert list(log.tally(Query(account="nobody"))) == []
    with pytest.raises(ValueError, match="before"):
        log.tally(Query(before="x"))


def test_a_count_goes_by_time_and_cursor_too(log: RequestLog) -> None:
    old, new = answered(ago_ms=HOUR), answered()
    put(log, old, new)
    assert [one.calls for one in log.tally(Query(since=new.time))] == [1]
    assert [one.calls for one in log.tally(Query(before=new.request_id))] == [1]
    assert [one.calls for one in log.tally(Query(since=old.time, until=new.time + 1))] == [2]
