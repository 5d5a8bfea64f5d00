"""What a few rounds say, and how surely."""

from __future__ import annotations

import random
from statistics import median

import pytest
from bench.figures import interval
from bench.report import Figure, Target, table
from bench.subject import CALLGATE


@pytest.mark.parametrize(
    ("count", "cut"), [(6, 0), (8, 0), (9, 1), (10, 1), (12, 2), (21, 5), (25, 7), (52, 18)]
)
def test_the_interval_of_the_median_is_that_of_the_sign_test(count: int, cut: int) -> None:
    # The ranks stand in tables of the sign test at the level of 5 %, two-sided.
    values = list(range(count))
    random.Random(count).shuffle(values)
    assert interval(values) == (cut, count - 1 - cut)


@pytest.mark.parametrize("count", range(6))
def test_fewer_than_six_rounds_cannot_give_confidence(count: int) -> None:
    assert interval([1.0] * count) is None


def test_the_interval_holds_the_true_median_as_often_as_it_says() -> None:
    chance = random.Random(7)
    held = 0
    for _ in range(1000):
        low, high = interval([chance.expovariate(1.0) for _ in range(11)]) or (1.0, 0.0)
        held += low <= 0.6931 <= high
    assert held >= 940


def _figure(*rounds: float) -> Figure:
    return Figure(
        scenario="request", metric="CPU", unit="us", rounds={CALLGATE: rounds}, target=Target(2.0)
    )


@pytest.mark.parametrize(
    ("rounds", "passed", "sure", "verdict"),
    [
        ((1.0,) * 8, True, True, "pass"),
        ((3.0,) * 8, False, True, "FAIL"),
        ((1.0,) * 7 + (3.0,), True, False, "pass, unsure"),
        ((3.0,) * 7 + (1.0,), False, False, "FAIL, unsure"),
        ((1.0, 1.0), True, False, "pass, unsure"),
    ],
)
def test_a_verdict_within_the_reach_of_chance_says_so(
    rounds: tuple[float, ...], passed: bool, sure: bool, verdict: str
) -> None:
    figure = _figure(*rounds)
    assert (figure.passed(), figure.sure()) == (passed, sure)
    row = table([figure]).splitlines()[2]
    assert f"  {verdict}  " in row
    assert figure.summary()["interval"] == figure.interval()
    assert median(rounds) == figure.value(CALLGATE)
