"""The circuit breaker of a deployment, and its rests."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.breaker import BreakerSettings
from callgate.core.health import Health

SETTINGS = BreakerSettings(ratio=0.5, calls=4, window=10.0, pause=5.0)


def opened() -> Health:
    health = Health(SETTINGS)
    assert [health.failed(at) for at in (0.0, 0.1, 0.2, 0.3)] == [False, False, False, True]
    return health


def test_opens_on_a_ratio_and_not_on_a_few() -> None:
    health = Health(SETTINGS)
    for at in range(3):
        health.failed(at / 10)
        assert health.circuit(at / 10) == "closed"
    mixed = Health(SETTINGS)
    for at in range(40):
        mixed.succeeded(at / 10, 0.1)
        mixed.succeeded(at / 10, 0.1)
        assert not mixed.failed(at / 10)
    assert opened().circuit(0.3) == "open"
    half = Health(SETTINGS)
    assert not half.succeeded(0.0, 0.1)
    assert not half.succeeded(0.0, 0.1)
    assert [half.failed(0.0) for _ in range(2)] == [False, True]


def test_old_failures_are_forgotten() -> None:
    health = Health(SETTINGS)
    for at in (0.0, 0.1, 0.2):
        health.failed(at)
    assert not health.failed(20.0)
    assert health.circuit(20.0) == "closed"
    for at, opens in ((9.9, True), (10.0, False)):
        health = Health(SETTINGS)
        for _ in range(3):
            health.failed(0.0)
        assert health.failed(at) is opens


def test_one_probe_at_a_time_and_its_success_closes() -> None:
    health = opened()
    assert not health.available(5.0)
    assert health.back_in(1.3) == 4.0
    assert health.available(5.3)
    assert health.begin(5.3)
    assert not health.available(5.4)  # the probe is under way
    assert health.succeeded(5.5, 0.2)
    health.end(probe=True)
    assert health.circuit(5.5) == "closed"
    assert health.available(5.5)
    assert not health.failed(5.6)  # what opened it counts no more


def test_a_failed_probe_opens_for_another_pause() -> None:
    health = opened()
    probe = health.begin(6.0)
    assert not health.failed(6.1)
    health.end(probe=probe)
    assert not health.available(11.0)
    assert health.available(11.2)


def test_a_probe_that_is_given_up_lets_another_through() -> None:
    health = opened()
    probe = health.begin(6.0)
    health.end(probe=probe)  # the caller left
    assert health.available(6.1)


def test_a_probe_that_hangs_lets_another_through_after_a_pause() -> None:
    health = opened()
    hanging = health.begin(6.0)
    assert not health.available(10.9)
    assert health.available(11.0)
    probe = health.begin(11.0)
    assert (hanging, probe) == (True, True)
    assert not health.available(11.1)
    health.succeeded(11.2, 0.2)
    health.end(probe=probe)
    health.failed(60.0)  # in time, the first gives up: one failure of a circuit that is closed
    health.end(probe=hanging)
    assert health.circuit(60.0) == "closed"
    assert health.outstanding == 0


def test_only_one_request_at_a_time_counts_as_the_probe() -> None:
    health = opened()
    assert health.begin(6.0)
    assert not health.begin(6.0)  # it had set out before the circuit opened
    health.end(probe=False)
    assert not health.available(6.0)


def test_a_request_from_before_lets_no_second_probe_through() -> None:
    health = Health(SETTINGS)
    before = health.begin(0.0)
    for at in (0.1, 0.2, 0.3, 0.4):
        health.failed(at)
    assert health.begin(6.0)
    health.end(probe=before)
    assert not health.available(6.1)


def test_rests_for_as_long_as_was_asked() -> None:
    health = Health(SETTINGS)
    health.rest(0.0, 3.0)
    health.rest(0.0, 1.0)
    assert not health.available(2.9)
    assert health.back_in(2.0) == 1.0
    assert health.available(3.0)
    assert [health.resting(at) for at in (2.9, 3.0)] == [True, False]
    assert health.back_in(4.0) == 0.0


def test_latency_follows_what_is_seen() -> None:
    health = Health(SETTINGS)
    for seen, known in ((2.0, 2.0), (3.0, 2.2)):
        health.succeeded(0.0, seen)
        assert health.latency == pytest.approx(known)


events = st.lists(st.tuples(st.booleans(), st.floats(0.0, 3.0)), max_size=200)


@given(events)
def test_recovery_takes_one_probe_interval_whatever_went_before(
    history: list[tuple[bool, float]],
) -> None:
    health, now = Health(SETTINGS), 0.0
    for good, pause in history:
        now += pause
        if not health.available(now):
            continue
        probe = health.begin(now)
        if good:
            health.succeeded(now, 0.1)
        else:
            health.failed(now)
        health.end(probe=probe)
        assert health.outstanding == 0
    later = now + SETTINGS.pause
    assert health.available(later)
    probe = health.begin(later)
    health.succeeded(later, 0.1)
    health.end(probe=probe)
    assert health.circuit(later) == "closed"


@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=40))
def test_who_keeps_failing_is_asked_once_in_a_pause(pauses: list[float]) -> None:
    health, now, probes = opened(), 0.3, list[float]()
    for pause in pauses:
        now += pause
        if health.available(now):
            assert health.begin(now)
            assert not health.available(now)
            health.failed(now)
            health.end(probe=True)
            probes.append(now)
    gaps = [later - earlier for earlier, later in pairwise([0.3, *probes])]
    assert all(gap >= SETTINGS.pause * (1 - 1e-9) for gap in gaps)
    # And it is asked again as soon as one is over.
    assert health.back_in(now) <= SETTINGS.pause * (1 + 1e-9)


@given(events)
def test_nothing_but_failures_opens_it_whatever_went_before(
    history: list[tuple[bool, float]],
) -> None:
    health, now = Health(SETTINGS), 0.0
    for good, pause in history:
        now += pause
        if good:
            health.succeeded(now, 0.1)
        else:
            health.failed(now)
    now += 2 * SETTINGS.window
    for _ in range(SETTINGS.calls):
        health.failed(now)
    assert health.circuit(now) == "open"
