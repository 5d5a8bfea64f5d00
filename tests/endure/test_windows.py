"""The judge of limits finds each way in which they can be wrong."""

from __future__ import annotations

import pytest
from bench.endure.callers import Answer
from bench.endure.windows import alone, judged

from .answers import answered

LIMITS = {"m": 3}
REFUSED = answered(status=429, failed=True)


def window(*places: int) -> list[Answer]:
    return [answered(remaining=place) for place in places]


def test_two_windows_one_used_up_are_sound() -> None:
    later = [one._replace(began=one.began + 61) for one in window(2)]
    found = judged([*window(2, 1, 0), REFUSED, *later], LIMITS)
    assert found[:5] == (2, 1, 4, 1, 0)
    assert not found.faults


@pytest.mark.parametrize(
    ("told", "fault"),
    [
        (window(2, 2, 1), "2 places given"),
        (window(2, 1, 0, -1), "4 places given"),
        (window(2, 0), "1 places missing"),
        ([*window(2, 1), REFUSED], "1 refused"),
    ],
    ids=["one place for two", "too many", "a place for nobody", "refused too early"],
)
def test_what_is_wrong_is_found(told: list[Answer], fault: str) -> None:
    (found,) = judged(told, LIMITS).faults
    assert fault in found


def test_a_place_that_a_process_has_given_alone_is_not_missing() -> None:
    by_itself, later = answered(remaining=0, degraded=True), REFUSED._replace(began=104.0, reset=56)
    found = judged([*window(2, 0), by_itself, later], LIMITS)
    assert (found.full, found.mixed, found.above, found.faults) == (1, 1, 0, [])
    assert judged([*window(0), by_itself._replace(began=500.0), REFUSED], LIMITS).faults


def test_a_place_that_nobody_got_is_missing_whoever_was_refused_alone() -> None:
    alone = answered(status=429, degraded=True)
    later = [one._replace(began=104.0, reset=56) for one in (answered(remaining=0), REFUSED)]
    (fault,) = judged([*window(2), alone, *later], LIMITS).faults
    assert "1 places missing" in fault
    (fault,) = judged([*window(2, 1), alone, later[1]], LIMITS).faults
    assert "1 refused" in fault
    # Given back, it goes to the next, who is told the same of it.
    assert not judged([*window(2, 0), alone, *later], LIMITS).faults
    assert judged([*window(2, 0), *later], LIMITS).faults


def test_what_a_process_admits_of_a_full_window_is_told() -> None:
    alone = answered(degraded=True, gateway=2, began=101.0)
    found = judged([*window(2, 1, 0), alone], LIMITS)
    assert found.above == 1
    assert found.over == [("acme", "m", 3, 3, [(2, 101.0)])]


def test_places_may_be_missing_where_answers_are() -> None:
    assert not judged(window(2, 0), LIMITS, whole=False).faults
    assert judged(window(2, 2), LIMITS, whole=False).faults


def test_two_workers_alone_have_two_shares() -> None:
    told = [answered(remaining=0, degraded=True)] * 3
    assert not alone(told[:2], LIMITS, 3).faults
    assert alone(told, LIMITS, 3).faults
