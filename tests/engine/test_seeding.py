"""Telling budgets' counters what was spent before they began to count."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, date, datetime
from typing import Any, cast

import pytest

from callgate.core.allowance import Allowance, Spent, rules
from callgate.core.limits import beginning
from callgate.core.pricing import NANO
from callgate.engine.seeding import Seeding
from callgate.errors import GatewayError
from callgate.store.base import Counters, StoreError
from callgate.store.counters.memory import MemoryCounters
from metered import model, used


async def ended(seeding: Seeding) -> None:
    assert seeding._task is not None
    async with asyncio.timeout(5):
        await seeding._task


async def test_budgets_are_seeded_by_what_bears_on_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("callgate.engine.seeding._RETRY_SECONDS", 0.0)
    counters = MemoryCounters()
    today = datetime.now(UTC).date()
    rows = [
        Spent(today, "acme", "k", "m", 1.0),
        Spent(today, "acme", "other", "n", 2.0),
        Spent(today, "rival", "k", "m", 100.0),
        Spent(date(2020, 1, 1), "acme", "k", "m", 1000.0),
    ]
    failures = [StoreError("away")] * 2
    asked = []

    def spent(since: date) -> list[Spent]:
        asked.append(since)
        if failures:
            raise failures.pop()
        return rows

    seeding = Seeding(counters, spent)
    own = Allowance(budget_day=50.0)
    found = rules(own, "k", own, model(budget_month=50.0))
    await seeding.prime([])
    assert asked == []
    await seeding.prime(("acme", rule) for rule in found)  # the store is away
    await ended(seeding)
    assert asked == [today.replace(day=1)] * 3
    assert [record.__dict__["detail"] for record in caplog.records] == ["away"] * 2
    day = found[0]
    seeding.want("acme", day, beginning(day.period, time.time_ns() // 1000))
    await ended(seeding)
    await seeding.stop()
    now = time.time_ns() // 1000
    amounts = [await used(counters, rule, beginning(rule.period, now)) for rule in found]
    assert amounts == [3 * NANO, 1 * NANO, 1 * NANO]


async def test_a_counter_that_others_have_left_behind_knows_what_was_spent_without_it() -> None:
    counters, own = MemoryCounters(), Allowance(budget_day=50.0, budget_month=50.0)
    now, today = time.time_ns() // 1000, datetime.now(UTC).date()
    day, month = rules(own, "k", None, model())
    for rule, amount in ((day, NANO), (month, 9 * NANO)):
        begins = beginning(rule.period, now)
        await counters.seed("acme", rule.name, rule.period, begins, amount, time.time())
    seeding = Seeding(counters, lambda _since: [Spent(today, "acme", "k", "m", 4.0)])
    await seeding.prime([("acme", day), ("acme", month)])
    found = [await used(counters, rule, beginning(rule.period, now)) for rule in (day, month)]
    assert found == [4 * NANO, 9 * NANO]  # what is reserved by now stands in no record yet
    await seeding.stop()


async def test_a_budget_that_is_back_is_told_of_once_limits_are_counted_exactly_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("callgate.engine.seeding._RETRY_SECONDS", 0.0)
    today = datetime.now(UTC).date()

    counters = MemoryCounters()

    class Away:
        trouble: str | None = None
        asked = 0

        async def seed(self, *counter: Any, again: bool = False) -> bool:
            self.asked += 1
            self.trouble = "no answer" if self.asked < 3 else None
            return self.trouble is None and await counters.seed(*counter, again=again)

    away = Away()
    seeding = Seeding(cast("Counters", away), lambda _since: [Spent(today, "acme", "k", "m", 2.0)])
    (rule,) = rules(Allowance(budget_day=9.0), "k", None, model())
    begins = beginning(rule.period, time.time_ns() // 1000)
    seeding.want("acme", rule, begins, again=True)
    await ended(seeding)
    await seeding.stop()
    assert away.asked == 3
    assert await used(counters, rule, begins) == 2 * NANO


async def test_budgets_of_which_nothing_was_spent_take_no_counter() -> None:
    counters = MemoryCounters(capacity=0)
    (rule,) = rules(Allowance(budget_day=9.0), "k", None, model())
    seeding = Seeding(counters, lambda _since: [])
    await seeding.prime((f"account {number}", rule) for number in range(9))
    assert seeding._pending == {}


async def test_a_process_starts_where_a_counter_has_no_room_and_tells_it_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("callgate.engine.seeding._RETRY_SECONDS", 0.0)
    counters, today = MemoryCounters(), datetime.now(UTC).date()
    full = [True]

    class Full:
        trouble = None

        async def seed(self, *counter: Any, again: bool = False) -> bool:
            if full and full.pop():
                raise GatewayError("limits_unavailable", "The table of limits is full")
            return await counters.seed(*counter, again=again)

    spent = [Spent(today, "acme", "k", "m", 2.0)]
    seeding = Seeding(cast("Counters", Full()), lambda _since: spent)
    (rule,) = rules(Allowance(budget_day=9.0), "k", None, model())
    await seeding.prime([("acme", rule)])
    assert [record.__dict__["detail"] for record in caplog.records] == [
        "The table of limits is full"
    ]
    await ended(seeding)
    await seeding.stop()
    begins = beginning(rule.period, time.time_ns() // 1000)
    assert await used(counters, rule, begins) == 2 * NANO


async def full_for_one(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> tuple[Seeding, MemoryCounters]:
    """Two accounts are seeded, of which the first finds no room."""
    monkeypatch.setattr("callgate.engine.seeding._REFUSED_SECONDS", seconds)
    counters, today = MemoryCounters(), datetime.now(UTC).date()

    class Full:
        trouble = None

        async def seed(self, account: str, *counter: Any, again: bool = False) -> bool:
            if account == "full":
                raise GatewayError("limits_unavailable", "The table of limits is full")
            return await counters.seed(account, *counter, again=again)

    spent = [Spent(today, account, "k", "m", 2.0) for account in ("full", "acme")]
    seeding = Seeding(cast("Counters", Full()), lambda _since: spent)
    (rule,) = rules(Allowance(budget_day=9.0), "k", None, model())
    await seeding.prime([("full", rule), ("acme", rule)])
    await seeding.stop()
    return seeding, counters


async def test_a_counter_that_has_no_room_keeps_no_other_from_being_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeding, counters = await full_for_one(monkeypatch, 60.0)
    assert [account for account, _ in seeding._pending] == ["full"]
    (rule,) = rules(Allowance(budget_day=9.0), "k", None, model())
    assert await used(counters, rule, beginning(rule.period, time.time_ns() // 1000)) == 2 * NANO


async def test_a_refusal_that_took_long_ends_the_round_and_is_behind_the_others_in_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeding, _ = await full_for_one(monkeypatch, 0.0)
    assert [account for account, _ in seeding._pending] == ["acme", "full"]
