"""The totals that a `RequestLog` keeps, whatever keeps them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from callgate.core.chat import Usage as Tokens
from callgate.core.record import Record
from callgate.store.base import RequestLog, Store, Usage, UsageQuery
from samples import answered, booked, failed, refused

DAY = 86_400_000


@pytest.fixture
def log(store: Store) -> RequestLog:
    return store.requests


def put(log: RequestLog, *records: Record) -> int:
    return log.append_many(booked(*records))


def used(input_tokens: int, output_tokens: int, **details: Any) -> Tokens:
    parts = {name: details.pop(name, None) for name in ("input_details", "output_details")}
    total = input_tokens + output_tokens
    return Tokens(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        total_tokens=total,
        **parts,
        **details,
    )


def whole(log: RequestLog, **query: Any) -> Usage:
    (total,) = log.usage(UsageQuery(**query))
    return total


def day_of(record: Record) -> date:
    return datetime.fromtimestamp(record.time / 1000, UTC).date()


def test_nothing_adds_up_to_nothing(log: RequestLog) -> None:
    assert log.usage(UsageQuery()) == []
    assert log.usage(UsageQuery(by=("account", "day"))) == []


def test_requests_tokens_and_cost_add_up(log: RequestLog) -> None:
    put(
        log,
        answered(
            usage=used(
                100, 20,
                input_details={"cached_tokens": 30, "cache_write_tokens": 5, "audio_tokens": 1},
                output_details={"reasoning_tokens": 7},
            ),
            cost_usd=0.25,
        ),
        answered(usage=used(1, 2, estimated=True), cost_usd=0.5),
        answered(usage=used(10, 10), cost_usd=None),
        answered(usage=None, cost_usd=None, error="upstream_cut", status=200),
        refused(),
    )  # fmt: skip
    assert whole(log) == Usage(
        requests=5, errors=2, unpriced=1, estimated=1, input_tokens=111, cached_tokens=30,
        cache_write_tokens=5, output_tokens=32, reasoning_tokens=7, cost_usd=0.75,
    )  # fmt: skip


def test_a_record_counts_once_however_often_it_is_shipped(log: RequestLog) -> None:
    first, second, third = (answered(usage=used(1, 1), cost_usd=1.0) for _ in range(3))
    assert put(log, first, second, first) == 2
    assert put(log, second, third, third) == 1
    assert put(log, first, second, third) == 0
    assert (whole(log).requests, whole(log).cost_usd) == (3, 3.0)


def test_totals_are_grouped_and_narrowed(log: RequestLog) -> None:
    old = answered(ago_ms=2 * DAY, account="acme")
    new = answered(account="acme")
    other = answered(account="zoo", model="a", model_served="b")
    put(log, old, new, other)
    by = log.usage(UsageQuery(by=("account", "day")))
    assert [(one.account, one.day, one.requests, one.model) for one in by] == [
        ("acme", day_of(old), 1, None),
        ("acme", day_of(new), 1, None),
        ("zoo", day_of(other), 1, None),
    ]
    assert [one.served for one in log.usage(UsageQuery(by=("served",)))] == ["b", "gpt-4.1"]
    assert whole(log, equal={"account": "acme"}).requests == 2
    assert whole(log, since=day_of(new)).requests == 2
    assert whole(log, until=day_of(old)).requests == 1
    assert log.usage(UsageQuery(equal={"account": "nobody"})) == []


def test_totals_outlive_the_records(log: RequestLog) -> None:
    put(log, answered(ago_ms=5 * DAY), answered())
    while log.delete_before(answered().time - 2 * DAY, 10):
        pass
    assert whole(log).requests == 2


def test_names_that_callers_make_up_do_not_fill_the_totals(log: RequestLog) -> None:
    unknown = [answered(status=404, model=f"made-up-{n}", model_served=None) for n in range(5)]
    limited = answered(status=429, error="rate_limited", model_served=None)
    put(log, *unknown, limited, failed(account="a\0b"))
    assert {one.model for one in log.usage(UsageQuery(by=("model",)))} == {"", "gpt-4.1"}


@pytest.mark.parametrize("tokens", ["many", None, True, -5, 1.5, [], 2**63])
def test_what_a_provider_reports_in_details_harms_nothing(log: RequestLog, tokens: Any) -> None:
    put(log, answered(usage=used(1, 1, input_details={"cached_tokens": tokens})))
    assert whole(log).requests == 1
    assert 0 <= whole(log).cached_tokens <= 2**40
