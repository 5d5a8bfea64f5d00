"""How full limits are: which are looked at, and what is told of them."""

from __future__ import annotations

import time
from collections.abc import Sequence

import pytest

from callgate.cli.build import compiled
from callgate.core.allowance import Allowance
from callgate.core.limits import Draw, Level
from callgate.core.pricing import NANO
from callgate.engine import limitlevels
from callgate.engine.limitlevels import LimitLevels
from callgate.engine.metering import Metering
from callgate.store.base import Key
from callgate.store.counters.memory import MemoryCounters

from .test_metering import ASKED, call, key, metering, model

Told = list[tuple[str, str, str, str, int, int]]


def told(counters: MemoryCounters, meter: Metering, *keys: Key) -> LimitLevels:
    return LimitLevels(counters, lambda now: meter.met(keys, now))


def shown(seen: LimitLevels) -> Told:
    return [
        (account, rule.measure, rule.scope, rule.subject, rule.limit, used)
        for account, rule, used in seen.seen
    ]


async def test_what_is_drawn_on_is_told_as_the_counters_have_it() -> None:
    counters, asked = MemoryCounters(), model(token_limit=1000)
    caller = key(allowance=Allowance(budget_day=1.0))
    meter = metering(counters, asked, acme=Allowance(budget_month=5.0))
    watch = told(counters, meter, caller)
    await watch.look(time.time())
    assert shown(watch) == []
    found = meter.rules(caller, asked)
    await meter.reserve(call(caller), caller, asked, ASKED, 30, found)
    await watch.look(time.time())
    spent = 208_000  # 8 tokens of the prompt, 100 of the answer
    assert shown(watch) == [
        ("acme", "spend", "account", "", 5 * NANO, spent),
        ("acme", "spend", "key", "k", NANO, spent),
        ("acme", "tokens", "model", "m", 1000, 108),
    ]
    await watch.look(time.time() + 60)
    assert shown(watch)[2][5] == 0


async def test_budgets_are_told_from_the_start_and_of_keys_as_they_are_now() -> None:
    counters, asked = MemoryCounters(), model()
    before, other = key(allowance=Allowance(budget_day=1.0)), key(id="other")
    meter = metering(counters, asked, acme=Allowance(budget_day=9.0))
    assert len(list(meter.budgets([before, other], [asked]))) == 3
    after = key(allowance=Allowance(budget_day=2.0))
    ended = key(id="other", revoked=5, allowance=Allowance(budget_day=3.0))
    watch = told(counters, meter, after, ended)
    await watch.look(time.time())
    assert [(scope, limit) for _, _, scope, _, limit, _ in shown(watch)] == [
        ("account", 9 * NANO), ("key", 2 * NANO),
    ]  # fmt: skip


async def test_of_two_limits_on_one_counter_the_lower_is_told() -> None:
    counters, asked = MemoryCounters(), model(token_limit=50)
    keys = [
        key(id=id_, allowance=Allowance(token_limits={"m": n})) for id_, n in (("a", 9), ("b", 7))
    ]
    meter = metering(counters, asked)
    for caller in (*keys, key()):
        meter.rules(caller, asked)
    watch = told(counters, meter, *keys, key())
    await watch.look(time.time())
    assert shown(watch) == [("acme", "tokens", "model", "m", 7, 0)]


@pytest.mark.skipif(compiled(), reason="watches the counters through a subclass of its own")
async def test_the_number_of_limits_is_bounded_and_those_of_accounts_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limitlevels, "_MOST", 5)
    monkeypatch.setattr(limitlevels, "_AT_ONCE", 2)
    counters, asked = Counting(), model(budget_day=1.0)
    meter = metering(counters, asked, acme=Allowance(budget_day=9.0, budget_month=9.0))
    keys = [key(id=f"k{number}", allowance=Allowance(budget_day=1.0)) for number in range(9)]
    for caller in keys:
        meter.rules(caller, asked)
    watch = told(counters, meter, *keys)
    await watch.look(time.time())
    assert [scope for _, _, scope, _, _, _ in shown(watch)] == ["account"] * 2 + ["key"] * 3
    assert counters.asked == [2, 2, 1]
    counters.away = True
    await watch.look(time.time())
    assert shown(watch) == []


class Counting(MemoryCounters):
    """Counters that note how many are asked for at once, and may be away."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []
        self.away = False

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        self.asked.append(len(draws))
        return () if self.away else await super().levels(account, draws, now)


async def test_limits_of_many_accounts_are_each_looked_at_once() -> None:
    asked = model(token_limit=1000)
    callers = [key(id=f"k{number}", account=f"a{number}") for number in range(45)]
    meter = metering(MemoryCounters(), asked)
    for caller in callers:
        meter.rules(caller, asked)
    watch = told(MemoryCounters(), meter, *callers)
    await watch.look(time.time())
    assert [account for account, *_ in watch.seen] == [caller.account for caller in callers]
