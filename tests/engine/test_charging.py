"""What a call has used: of the answer, and of attempts that nobody waited for any longer."""

from __future__ import annotations

from dataclasses import replace

import pytest

from callgate.core.chat import Usage
from callgate.core.price import Price
from callgate.core.record import Attempt
from callgate.core.target import Target
from callgate.engine.call import Call
from callgate.engine.charging import charge
from callgate.errors import GatewayError
from metered import DEPLOYMENT, PRICE, model

TARGET = Target(model(), DEPLOYMENT)
UNPRICED = Target(model("unpriced"), replace(DEPLOYMENT, id="unpriced"))
ANSWER = Usage(input_tokens=7, output_tokens=3, total_tokens=10)
PROMPT = Usage(input_tokens=100, output_tokens=0, total_tokens=100, estimated=True)
ANSWER_USD, PROMPT_USD = 13e-6, 100e-6


def prices(target: Target) -> Price | None:
    return None if target is UNPRICED else PRICE


@pytest.fixture
def call() -> Call:
    made = Call("id", 0.0, "POST", "/")
    made.target = TARGET
    return made


def give_up(call: Call, target: Target = TARGET) -> Attempt:
    attempt = Attempt(model="m", provider="p", upstream_model="x", started_us=0)
    call.given_up = (*call.given_up, (attempt, target, PROMPT))
    return attempt


def test_an_answer_costs_what_it_used(call: Call) -> None:
    call.usage = ANSWER
    charge(call, prices)
    assert (call.usage, call.cost_usd, call.parts) == (ANSWER, pytest.approx(ANSWER_USD), [])


def test_who_lost_a_race_is_paid_for_beside_the_answer_whose_usage_is_told(call: Call) -> None:
    call.usage = ANSWER
    lost = give_up(call)
    charge(call, prices)
    assert (call.usage, lost.usage) == (ANSWER, PROMPT)
    assert [usage for _, usage in call.parts] == [ANSWER, PROMPT]
    assert call.cost_usd == pytest.approx(ANSWER_USD + PROMPT_USD)


def test_who_lost_without_a_price_leaves_the_answers_cost_known(call: Call) -> None:
    call.usage = ANSWER
    lost = give_up(call, UNPRICED)
    charge(call, prices)
    assert (call.usage, lost.usage) == (ANSWER, PROMPT)
    assert call.cost_usd == pytest.approx(ANSWER_USD)


def test_where_nothing_has_a_price_the_tokens_of_all_that_was_asked_count(call: Call) -> None:
    call.target, call.usage = UNPRICED, ANSWER
    give_up(call, UNPRICED)
    charge(call, prices)
    assert ([usage for _, usage in call.parts], call.usage) == ([ANSWER, PROMPT], ANSWER)
    assert call.cost_usd is None


@pytest.mark.parametrize("before", [0, 1])
def test_without_an_answer_all_that_was_asked_and_said_is_paid_for(call: Call, before: int) -> None:
    call.error = GatewayError("client_disconnected", "gone")
    call.parts = [(TARGET, ANSWER)] * before
    one, other = give_up(call), give_up(call)
    charge(call, prices)
    assert one.usage == other.usage == PROMPT
    assert call.usage is not None
    assert call.usage.total_tokens == 10 * before + 200
    assert call.usage.estimated
    assert call.cost_usd == pytest.approx(ANSWER_USD * before + 2 * PROMPT_USD)


def test_an_answer_that_was_refused_is_told_where_nothing_came_after_it(call: Call) -> None:
    call.error = GatewayError("provider_unavailable", "away")
    call.parts = [(TARGET, ANSWER)]
    charge(call, prices)
    assert call.usage == ANSWER
    assert call.cost_usd == pytest.approx(ANSWER_USD)
