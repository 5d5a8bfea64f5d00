"""Reserving tokens and money, and settling with what was used."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from callgate.config.settings import AccountTable
from callgate.core.allowance import Allowance, Rule, rules
from callgate.core.chat import Usage
from callgate.core.limits import Period, beginning, ending
from callgate.core.models import Model
from callgate.core.price import Price
from callgate.core.pricing import NANO
from callgate.core.quota import Quota
from callgate.core.record import BUDGET_LOW
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.engine.call import Call
from callgate.engine.metering import Metering
from callgate.errors import GatewayError
from callgate.store.counters.memory import MemoryCounters
from metered import (
    ASKED,
    CLOCK,
    DEPLOYMENT,
    ESTIMATE,
    NOW,
    PRICE,
    PROMPT,
    TOKENS,
    call,
    key,
    metering,
    model,
    told,
    used,
)


@pytest.fixture(autouse=True)
def _frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time passes but by the arrival of calls."""
    monkeypatch.setattr("callgate.engine.call.time", CLOCK)


def test_limits_of_account_key_and_model_bear_together_and_a_key_replaces_the_models() -> None:
    account = Allowance(budget_day=5.0)
    own = Allowance(tokens_per_minute=9, token_limits={"m": 7, "n": 8})
    found = rules(account, "k", own, model(token_limit=50, budget_month=2.5))
    assert [(rule.measure, rule.scope, rule.period, rule.limit) for rule in found] == [
        ("spend", "account", Period.DAY, 5 * NANO),
        ("tokens", "key", Period.WINDOW, 9),
        ("tokens", "model", Period.WINDOW, 7),
        ("spend", "model", Period.MONTH, 2_500_000_000),
    ]
    assert len({rule.name for rule in found}) == len(found)
    assert rules(None, "k", None, model()) == ()


def test_without_such_limits_there_is_nothing_to_reserve() -> None:
    meter = metering(MemoryCounters(), model())
    assert meter.rules(key(), model()) == ()
    assert [rule.limit for rule in meter.rules(key(allowance=TOKENS), model())] == [300]
    limited = model(token_limit=5)
    meter = metering(MemoryCounters(), model("other"), limited)
    assert [rule.limit for rule in meter.rules(key(), limited)] == [5]


async def test_a_reservation_tells_how_its_windows_stand_and_a_refusal_which_of_them() -> None:
    counters, asked = MemoryCounters(), model(token_limit=1000)
    caller = key(allowance=TOKENS)
    meter = metering(counters, asked)
    found = meter.rules(caller, asked)
    for taken in (1, 2):
        this = call(caller, NOW + taken)
        window = await meter.reserve(this, caller, asked, ASKED, 30, found)
        assert window == Quota(True, 30, 30 - taken, NOW + 61)
        assert told(this) == (300, 300 - taken * ESTIMATE, NOW + 61)
        assert (this.quota, this.model) == (None, None)
    refused = call(caller, NOW + 16)
    with pytest.raises(GatewayError, match=r"^Token limit of 300 .* this key is .* 108$") as caught:
        await meter.reserve(refused, caller, asked, ASKED, 30, found)
    assert (caught.value.kind.type, caught.value.retry_after) == ("rate_limited", 45.0)
    assert caught.value.fix.startswith("Wait")
    assert (refused.quota, refused.model) == (Quota(True, 30, 28, NOW + 61), asked)
    assert told(refused) == (300, 300 - 2 * ESTIMATE, NOW + 61)
    assert refused.reservations == ()
    last = call(caller, NOW + 60.5)
    assert await meter.reserve(last, caller, asked, ASKED, 1, found) == Quota(False, 1, 0, NOW + 61)
    with pytest.raises(GatewayError) as caught:
        await meter.reserve(last, caller, asked, ASKED, 30, found)
    assert caught.value.retry_after == 1.0


async def test_a_call_tells_the_window_of_the_model_it_reserved_or_of_the_first_that_refused() -> (
    None
):
    full, fuller, free = (model(name, token_limit=9) for name in ("full", "fuller", "free"))
    caller = key()
    meter = metering(MemoryCounters(), full, fuller, free)

    async def reserve(this: Call, asked: Model) -> None:
        await meter.reserve(this, caller, asked, ASKED, 30, meter.rules(caller, asked))

    await reserve(call(caller, NOW), full)
    await reserve(call(caller, NOW + 1), fuller)
    this = call(caller, NOW + 2)
    for asked in (full, fuller):
        with pytest.raises(GatewayError, match=f"for model '{asked.name}'"):
            await reserve(this, asked)
    assert told(this) == (9, 0, NOW + 60)
    assert (this.quota, this.model) == (Quota(True, 30, 29, NOW + 60), full)
    await reserve(this, free)
    assert told(this) == (9, 0, NOW + 62)


async def test_what_a_model_is_asked_is_what_is_reserved_of_it_and_no_more_than_its_limits() -> (
    None
):
    def text(**fields: Any) -> bytes:
        return json.dumps({"model": "m", "prompt": "x" * 400, "max_tokens": 7, **fields}).encode()

    for body, context, estimate in (
        (text(), 0, 107),
        (text(), 50, 57),
        (text(n=3), 0, 121),
    ):
        counters, asked = MemoryCounters(), model(token_limit=1000, context_length=context)
        meter, caller = metering(counters, asked), key()
        (rule,) = meter.rules(caller, asked)
        await meter.reserve(call(caller), caller, asked, parse_chat(body), 30, [rule])
        assert await used(counters, rule) == estimate


async def test_what_exceeds_a_limit_is_settled_from_what_was_reserved_of_it() -> None:
    counters, asked = MemoryCounters(), model(token_limit=50)
    meter, caller = metering(counters, asked), key()
    (rule,) = meter.rules(caller, asked)
    this = call(caller)
    await meter.reserve(this, caller, asked, ASKED, 30, [rule])
    this.target = Target(asked, DEPLOYMENT)
    this.usage = Usage(input_tokens=40, output_tokens=4, total_tokens=44)
    meter.settle(this)
    assert await used(counters, rule) == 44


async def test_what_the_answer_used_replaces_the_estimate() -> None:
    counters, asked = MemoryCounters(), model(token_limit=1000)
    caller = key(allowance=Allowance(budget_day=1.0))
    meter = metering(counters, asked)
    found = meter.rules(caller, asked)
    spend, tokens = found
    this = call(caller)
    assert (await meter.reserve(this, caller, asked, ASKED, 30, found)).admitted
    prompt = len(PROMPT) // 4
    today = beginning(Period.DAY, time.time_ns() // 1000)
    assert await used(counters, tokens) == 100 + prompt
    assert await used(counters, spend, today) == (200 + prompt) * 1000
    this.target, this.cost_usd = Target(asked, DEPLOYMENT), 0.000_013
    this.usage = Usage(input_tokens=5, output_tokens=4, total_tokens=9)
    meter.settle(this)
    assert await used(counters, tokens) == 9
    assert await used(counters, spend, today) == 13_000
    assert this.reservations == ()


async def test_a_call_that_failed_has_used_nothing_and_one_of_unknown_price_its_estimate() -> None:
    counters, asked = MemoryCounters(), model(token_limit=1000, budget_day=1.0)
    caller = key()
    meter = metering(counters, asked)
    found = meter.rules(caller, asked)
    failed = call(caller)
    await meter.reserve(failed, caller, asked, ASKED, 30, found)
    failed.target = Target(asked, DEPLOYMENT)
    meter.settle(failed)
    assert await used(counters, found[0]) == 0
    unpriced = call(caller)
    await meter.reserve(unpriced, caller, asked, ASKED, 30, found)
    unpriced.target = Target(asked, DEPLOYMENT)
    unpriced.usage = Usage(input_tokens=5, output_tokens=4, total_tokens=9)
    meter.settle(unpriced)
    assert await used(counters, found[0]) == 9
    today = beginning(Period.DAY, time.time_ns() // 1000)
    assert await used(counters, found[1], today) == (200 + len(PROMPT) // 4) * 1000


async def test_only_the_model_that_answered_is_charged() -> None:
    counters = MemoryCounters()
    first, second = model("first", token_limit=1000), model("second", token_limit=1000)
    caller = key()
    meter = metering(counters, first, second)
    this = call(caller)
    for asked in (first, second):
        await meter.reserve(this, caller, asked, ASKED, 30, meter.rules(caller, asked))
    this.target = Target(second, DEPLOYMENT)
    this.usage = Usage(input_tokens=5, output_tokens=4, total_tokens=9)
    meter.settle(this)
    (one,), (other,) = meter.rules(caller, first), meter.rules(caller, second)
    assert (await used(counters, one), await used(counters, other)) == (0, 9)


async def test_each_model_is_charged_for_its_part_of_an_answer() -> None:
    counters = MemoryCounters()
    first = model("first", token_limit=1000, budget_day=1.0)
    second = model("second", token_limit=1000, budget_day=1.0)
    caller = key(allowance=Allowance(tokens_per_minute=1000))
    meter = metering(counters, first, second)
    this = call(caller)
    for asked in (first, second, second):
        await meter.reserve(this, caller, asked, ASKED, 30, meter.rules(caller, asked))
    only_one_left = replace(second, deployments=(DEPLOYMENT,))
    this.parts = [
        (Target(first, DEPLOYMENT), Usage(input_tokens=5, output_tokens=2, total_tokens=7)),
        (Target(only_one_left, DEPLOYMENT), Usage(input_tokens=6, output_tokens=3, total_tokens=9)),
    ]
    this.target, this.usage, this.cost_usd = this.parts[-1][0], this.parts[-1][1], 0.000_021
    meter.settle(this)
    today = beginning(Period.DAY, time.time_ns() // 1000)
    every, one, spent = meter.rules(caller, first)
    _, other, spent_too = meter.rules(caller, second)
    assert [await used(counters, rule) for rule in (one, other, every)] == [7, 9, 16]
    assert [await used(counters, rule, today) for rule in (spent, spent_too)] == [9000, 12_000]


async def test_a_budget_stops_and_warns_before_it_does(caplog: pytest.LogCaptureFixture) -> None:
    asked, caller = model(), key()
    spent = (200 + len(PROMPT) // 4) / 1e6
    meter = metering(
        MemoryCounters(), asked, acme=Allowance(tokens_per_minute=10**6, budget_month=spent * 5)
    )
    found = meter.rules(caller, asked)
    new: list[tuple[str, Rule, int]] = []
    meter.on_new_budget = lambda *budget: new.append(budget)
    warnings = []
    for _ in range(5):
        this = call(caller, NOW)
        await meter.reserve(this, caller, asked, ASKED, 30, found)
        warnings.append(this.budget_warning)
        assert this.notes == [BUDGET_LOW + share for share in [this.budget_warning] if share]
    assert warnings == [None, None, None, "account month 80%", "account month 100%"]
    assert [record.name for record in caplog.records] == ["callgate.budgets"]
    begins = beginning(Period.MONTH, int(NOW * 1e6))
    assert new == [("acme", found[1], begins)] * 5
    with pytest.raises(GatewayError) as refused:
        await meter.reserve(call(caller, NOW), caller, asked, ASKED, 30, found)
    assert refused.value.kind.type == "budget_exhausted"
    assert refused.value.retry_after == ending(Period.MONTH, begins) / 1e6 - NOW


async def test_the_smallest_budget_that_can_be_configured_is_spent_by_the_first_request() -> None:
    asked, caller = model(), key()
    least = msgspec.convert({"budget_day": 0.000001}, AccountTable)
    meter = metering(MemoryCounters(), asked, acme=Allowance(budget_day=least.budget_day))
    found = meter.rules(caller, asked)
    first = call(caller, NOW)
    await meter.reserve(first, caller, asked, ASKED, 30, found)
    assert first.budget_warning == "account day 100%"
    with pytest.raises(GatewayError, match=r"budget of 0\.000001 US dollars per day"):
        await meter.reserve(call(caller, NOW), caller, asked, ASKED, 30, found)


async def test_what_costs_nothing_anywhere_is_left_when_the_money_is_spent() -> None:
    other = replace(DEPLOYMENT, id="q/m", provider="q")
    gratis, partly = model("gratis"), model("partly")
    partly = replace(partly, deployments=(DEPLOYMENT, other))

    def price(target: Target) -> Price | None:
        if target.model.name == "partly":
            return Price() if target.deployment is DEPLOYMENT else PRICE
        return Price() if target.model is gratis else None

    poor = Allowance(budget_day=0.0001)
    models = (gratis, partly, model("unknown"))
    meter = Metering(MemoryCounters(), {"acme": poor}, models, price, warn_at=0.8)
    caller, outcomes = key(), []
    for asked in (partly, *models):
        this = call(caller, NOW)
        try:
            await meter.reserve(this, caller, asked, ASKED, 30, meter.rules(caller, asked))
            outcomes.append("admitted")
        except GatewayError as error:
            outcomes.append(error.kind.type)
    assert outcomes == ["admitted", "admitted", "budget_exhausted", "budget_exhausted"]


def test_other_limits_hold_at_once_and_for_the_models_that_calls_have() -> None:
    before, caller = model(token_limit=5), key()
    meter = metering(MemoryCounters(), before)
    assert [rule.limit for rule in meter.rules(caller, before)] == [5]
    after = model(token_limit=7)
    meter.follow({"acme": Allowance(tokens_per_minute=9)}, [after])
    # A call that is under way has the old model still; that must not become the new one's limit.
    assert [rule.limit for rule in meter.rules(caller, before)] == [9, 5]
    assert [rule.limit for rule in meter.rules(caller, after)] == [9, 7]
    assert [rule.limit for _, rule in meter.met([caller], 0.0)] == [9, 7]
    ends = key(expires=5000)
    assert len(list(meter.met([ends], 4.9))) == 2
    assert list(meter.met([ends], 5.0)) == []
    meter.follow({}, [])
    assert list(meter.met([caller], 0.0)) == []
    meter.follow({}, [model(token_limit=3)])
    assert [rule.limit for _, rule in meter.met([caller], 0.0)] == [3]
    meter.follow({}, [model()])
    assert meter.rules(caller, model()) == ()
