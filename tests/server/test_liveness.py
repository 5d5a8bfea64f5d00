"""When a process counts as hung, with times as arguments."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from callgate.server.liveness import Liveness, Step

PATIENCE = 60.0


def steps(liveness: Liveness, looks: Iterable[tuple[float, bool]]) -> dict[float, Step]:
    """What was due and when, each look being a time and whether something was heard."""
    due = {now: liveness.look(now, heard=heard) for now, heard in looks}
    return {now: step for now, step in due.items() if step is not Step.NONE}


def every(half_seconds: Iterable[int], *, heard: bool = False) -> list[tuple[float, bool]]:
    return [(at / 2, heard) for at in half_seconds]


def test_one_that_falls_silent_is_asked_killed_and_told_to_be_stuck_once_each() -> None:
    looks = [(0.0, True), *every(range(1, 2000))]
    assert steps(Liveness(PATIENCE), looks) == {60.0: Step.ASK, 61.5: Step.END, 71.5: Step.STUCK}


def test_one_that_shows_life_within_its_time_is_left_alone() -> None:
    looks = [(at / 2, at % 118 == 0) for at in range(1000)]
    assert steps(Liveness(PATIENCE), looks) == {}


def test_one_that_comes_back_when_asked_lives_and_has_all_its_time_again() -> None:
    looks = [(0.0, True), *every(range(1, 122)), (61.0, True), *every(range(123, 243))]
    assert steps(Liveness(PATIENCE), looks) == {60.0: Step.ASK, 61.0: Step.BACK, 121.0: Step.ASK}


def test_a_last_sign_does_not_bring_back_one_that_is_killed() -> None:
    looks = [(0.0, True), *every(range(1, 124)), (62.0, True), *every(range(125, 200))]
    assert steps(Liveness(PATIENCE), looks) == {60.0: Step.ASK, 61.5: Step.END, 71.5: Step.STUCK}


def test_without_patience_none_ever_hangs() -> None:
    assert steps(Liveness(0), every(range(10_000))) == {}


@pytest.mark.parametrize("stood", [10.0, 3600.0, 1e9])
def test_what_stood_still_with_whoever_looks_is_not_hung(stood: float) -> None:
    """A suspended machine, a snapshot, a debugger: nobody ran, and all go on a moment later."""
    looks = [(0.0, True), *every(range(1, 118)), (58.5 + stood, False), (59.0 + stood, True)]
    assert steps(Liveness(PATIENCE), looks) == {}


def test_standing_still_again_and_again_is_never_held_against_the_others() -> None:
    looks = [(at * 600.0, at % 2 == 0) for at in range(1000)]
    assert steps(Liveness(PATIENCE), looks) == {}


def test_of_one_who_seldom_gets_to_look_each_look_counts_a_second() -> None:
    """So a machine under a load that lets nobody run gives the others all the more time."""
    looks = [(0.0, True), *((at * 5.0, False) for at in range(1, 80))]
    assert steps(Liveness(PATIENCE), looks) == {
        300.0: Step.ASK,
        310.0: Step.END,
        360.0: Step.STUCK,
    }
