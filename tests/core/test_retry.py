"""Retry decisions: bounded, patient, and never where they could not help."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.core.retry import REACTIONS, Budget, Decision, State, decide
from callgate.errors import TAXONOMY, GatewayError

BUDGET = Budget()
DOWN = "provider_unavailable"
errors = st.builds(
    GatewayError,
    st.sampled_from(sorted(TAXONOMY)),
    st.just("it failed"),
    retry_after=st.none() | st.floats(0, 1000),
)
chances = st.floats(0, 1, exclude_max=True)


@given(errors, st.booleans(), st.lists(chances, min_size=60, max_size=60))
def test_attempts_and_waits_are_bounded(
    error: GatewayError, others: bool, chances: list[float]
) -> None:
    elapsed, here = 0.0, 0
    for in_all, chance in enumerate(chances, 1):
        here += 1
        decision = decide(error, State(here, in_all, elapsed), BUDGET, others=others, chance=chance)
        assert decision.wait >= 0
        if decision.action != "retry":
            break
        longest = error.retry_after if error.retry_after is not None else BUDGET.longest
        assert decision.wait <= min(longest, max(BUDGET.longest, BUDGET.retry_after))
        elapsed += decision.wait
        assert elapsed <= BUDGET.seconds
    assert here <= BUDGET.per_target


@given(errors, st.booleans(), chances, st.integers(1, 100), st.floats(0, 1000))
def test_what_would_be_the_same_anywhere_ends_the_request(
    error: GatewayError, others: bool, chance: float, tries: int, elapsed: float
) -> None:
    state = State(tries, tries, elapsed)
    decision = decide(error, state, BUDGET, others=others, chance=chance)
    if error.kind.type not in REACTIONS:
        assert decision.action == "stop"
    if decision.action == "next":
        assert others
    if decision.action == "retry":
        assert REACTIONS[error.kind.type].again
    assert decision.reason


@given(chances, st.integers(1, 5))
def test_jitter_grows_with_the_tries_and_stays_under_its_ceiling(chance: float, tries: int) -> None:
    budget = Budget(per_target=10, attempts=10, seconds=1000)
    error = GatewayError("provider_unavailable", "it failed")
    state = State(tries, tries, 0.0)
    wait = decide(error, state, budget, others=False, chance=chance).wait
    assert 0 <= wait <= min(budget.longest, budget.base * 2 ** (tries - 1))


def test_the_silent_are_left_for_others_and_never_asked_again() -> None:
    silent = GatewayError("upstream_timeout", "it was silent")
    state = State(1, 1, 0.0)
    assert decide(silent, state, BUDGET, others=True, chance=0.5).action == "next"
    assert decide(silent, state, BUDGET, others=False, chance=0.5).action == "stop"


def test_a_time_that_the_provider_names_is_kept_up_to_a_bound() -> None:
    state = State(1, 1, 0.0)
    for seconds, action in ((2.0, "retry"), (60.0, "stop")):
        limited = GatewayError("provider_rate_limited", "slow down", retry_after=seconds)
        decision = decide(limited, state, BUDGET, others=False, chance=0.0)
        assert decision.action == action
        assert decision.wait == (seconds if action == "retry" else 0.0)
        assert decide(limited, state, BUDGET, others=True, chance=0.0).action == "next"


@pytest.mark.parametrize(
    ("failure", "asked", "state", "others", "decision"),
    [
        (DOWN, None, State(1, 1, 0.0), True, ("retry", 0.25)),
        (DOWN, None, State(2, 2, 0.0), True, ("retry", 0.5)),
        (DOWN, None, State(3, 3, 0.0), True, ("next", 0.0)),
        (DOWN, None, State(3, 3, 0.0), False, ("stop", 0.0)),
        (DOWN, None, State(1, 7, 0.0), True, ("retry", 0.25)),
        (DOWN, None, State(1, 8, 0.0), True, ("stop", 0.0)),
        (DOWN, None, State(1, 1, 29.75), True, ("retry", 0.25)),
        (DOWN, None, State(1, 1, 29.76), False, ("stop", 0.0)),
        (DOWN, 10.0, State(1, 1, 0.0), False, ("retry", 10.0)),
        (DOWN, 10.1, State(1, 1, 0.0), False, ("stop", 0.0)),
        (DOWN, 1.0, State(1, 1, 0.0), True, ("next", 0.0)),
        ("provider_rate_limited", None, State(1, 1, 0.0), True, ("next", 0.0)),
        ("provider_rate_limited", None, State(1, 1, 0.0), False, ("retry", 0.25)),
        ("provider_refused", None, State(1, 1, 0.0), True, ("next", 0.0)),
        ("provider_refused", None, State(1, 1, 0.0), False, ("stop", 0.0)),
        ("provider_rejected", None, State(1, 1, 0.0), True, ("stop", 0.0)),
    ],
)
def test_what_follows_which_failure_when(
    failure: str, asked: float | None, state: State, others: bool, decision: tuple[str, float]
) -> None:
    error = GatewayError(failure, "it failed", retry_after=asked)
    found = decide(error, state, BUDGET, others=others, chance=0.5)
    assert (found.action, found.wait) == decision


def test_a_pause_in_words() -> None:
    waits = [Decision("retry", wait, "").pause for wait in (0.8, 0.1, 0.0994)]
    assert waits == ["0.8 s", "0.1 s", "99 ms"]


def test_every_reaction_is_to_a_known_failure() -> None:
    assert set(REACTIONS) <= set(TAXONOMY)


@given(chances, st.integers(1, 20))
def test_waits_never_shrink_as_failures_go_on(chance: float, tries: int) -> None:
    budget = Budget(per_target=99, attempts=99, seconds=1e6)
    error = GatewayError("provider_unavailable", "it failed")
    first, second = (
        decide(error, State(count, count, 0.0), budget, others=False, chance=chance).wait
        for count in (tries, tries + 1)
    )
    assert first <= second <= budget.longest


budgets = st.builds(
    Budget,
    per_target=st.integers(1, 10),
    attempts=st.integers(1, 20),
    seconds=st.floats(0.1, 100),
    base=st.floats(0.01, 10),
    longest=st.floats(0.01, 20),
    retry_after=st.floats(0.1, 60),
)


@settings(max_examples=60)
@given(budgets, st.lists(st.tuples(errors, chances), min_size=21, max_size=21), st.integers(1, 9))
def test_a_whole_course_of_failures_ends_within_its_budget(
    budget: Budget, failures: list[tuple[GatewayError, float]], targets: int
) -> None:
    elapsed, here, target = 0.0, 0, 1
    for in_all, (error, chance) in enumerate(failures, 1):
        here += 1
        state = State(here, in_all, elapsed)
        decision = decide(error, state, budget, others=target < targets, chance=chance)
        if decision.action == "stop":
            break
        if decision.action == "next":
            assert decision.wait == 0
            here, target = 0, target + 1
        elapsed += decision.wait
    assert in_all <= max(1, min(budget.attempts, budget.per_target * targets))
    assert target <= targets
    assert elapsed <= budget.seconds
