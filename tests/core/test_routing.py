"""Which deployment a call goes to."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.breaker import BreakerSettings
from callgate.core.health import Health
from callgate.core.http import Origin
from callgate.core.models import Deployment, Vendor
from callgate.core.routing import draw, order
from callgate.core.secret import Secret

ONE = Deployment(
    id="a/x",
    provider="a",
    vendor=Vendor(name="a", dialect="openai"),
    upstream_model="x",
    origin=Origin("http", "127.0.0.1", 80),
    path="/v1",
    secret=Secret(""),
)


def test_weights_are_shares() -> None:
    drawn = Counter(draw(ways(1, 2, 7), at / 1000).id for at in range(1000))
    assert drawn == {"0": 100, "1": 200, "2": 700}


@pytest.mark.parametrize("chance", [0.0, 0.5, 1 - 2**-53])
def test_a_single_way_is_always_taken(chance: float) -> None:
    assert draw([ONE], chance) is ONE


def ways(*weights: float) -> list[Deployment]:
    return [replace(ONE, id=str(at), weight=weight) for at, weight in enumerate(weights)]


def healthy(count: int) -> dict[str, Health]:
    return {str(at): Health(BreakerSettings()) for at in range(count)}


def test_every_available_way_stands_in_the_order_once() -> None:
    chance = random.Random(1).random
    for _ in range(200):
        found = order(ways(1, 5, 3), healthy(3), 0.0, chance)
        assert sorted(one.id for one in found) == ["0", "1", "2"]
        assert found[1].weight > found[2].weight


def test_nobody_starves_and_idle_ways_follow_their_weights() -> None:
    chance = random.Random(2).random
    first = Counter(order(ways(1, 3), healthy(2), 0.0, chance)[0].id for _ in range(4000))
    assert 0.2 < first["0"] / 4000 < 0.3


def test_the_busier_and_the_slower_come_later() -> None:
    chance = random.Random(3).random
    busy = healthy(2)
    for _ in range(5):
        busy["0"].begin(0.0)
    slow = healthy(2)
    slow["0"].succeeded(0.0, 2.0)
    slow["1"].succeeded(0.0, 0.1)
    for health in (busy, slow):
        first = Counter(order(ways(1, 1), health, 0.0, chance)[0].id for _ in range(1000))
        assert first["1"] > 700


@pytest.mark.parametrize(
    ("one", "other", "better"),
    [
        ((2, 0.5), (0, 2.0), True),
        ((3, 0.5), (0, 2.0), False),
        ((0, 9.0), (1, 0.0), True),  # nothing is known of how fast the other is
        ((1, 0.0), (0, 9.0), False),
        ((1, 1.0), (1, 1.0), False),
    ],
)
def test_less_to_do_is_counted_by_latency_where_both_are_known(
    one: tuple[int, float], other: tuple[int, float], better: bool
) -> None:
    health = healthy(2)
    for name, (outstanding, latency) in zip(health, (other, one), strict=True):
        health[name].outstanding, health[name].latency = outstanding, latency
    chances = iter((0.0, 0.9))
    assert order(ways(1, 1), health, 0.0, lambda: next(chances))[0].id == str(int(better))


def test_who_refused_lately_is_asked_last_and_alone_all_the_same() -> None:
    chance, health = random.Random(4).random, healthy(3)
    health["0"].refused(0.0, 60.0)
    for now in (1.0, 59.0):
        found = [one.id for one in order(ways(100, 1, 2), health, now, chance)]
        assert found[-1] == "0"
    assert order(ways(100, 1, 2), health, 61.0, lambda: 0.0)[0].id == "0"
    assert [one.id for one in order(ways(100), health, 1.0, chance)] == ["0"]
    for other in ("1", "2"):
        health[other].refused(0.0, 60.0)
    assert len(order(ways(100, 1, 2), health, 1.0, chance)) == 3
    health["0"].succeeded(1.0, 0.1)
    assert order(ways(1, 100, 100), health, 2.0, chance)[0].id == "0"


def test_who_is_out_is_not_asked() -> None:
    health = healthy(2)
    health["0"].rest(0.0, 10.0)
    assert [one.id for one in order(ways(100, 1), health, 5.0, lambda: 0.0)] == ["1"]
    health["1"].rest(0.0, 10.0)
    assert order(ways(100, 1), health, 5.0, lambda: 0.0) == []


weights = st.lists(st.floats(0.001, 1000), min_size=1, max_size=6)
GRID = [(at + 0.5) / 24 for at in range(24)]


@given(weights, st.lists(st.tuples(st.integers(0, 50), st.floats(0.01, 60)), min_size=6))
def test_no_way_starves_however_busy_or_slow_it_is(
    given: list[float], states: list[tuple[int, float]]
) -> None:
    """Both draws fall on a way as often as its weight has it, and then nobody else is better."""
    health = healthy(len(given))
    for name, (outstanding, latency) in zip(health, states, strict=False):
        health[name].outstanding = outstanding
        health[name].latency = latency
    found = ways(*given)
    first = Counter[str]()
    for one in GRID:
        for other in GRID:
            draws = iter((one, other))
            first[order(found, health, 0.0, lambda draws=draws: next(draws))[0].id] += 1
    for way in found:
        drawn = sum(draw(found, chance) is way for chance in GRID)
        assert first[way.id] >= drawn**2


@given(weights, st.sets(st.integers(0, 5)), st.floats(0, 1, exclude_max=True))
def test_all_who_are_well_are_asked_and_nobody_else(
    given: list[float], out: set[int], chance: float
) -> None:
    health = healthy(len(given))
    for at in out:
        if str(at) in health:
            health[str(at)].rest(0.0, 10.0)
    found = [one.id for one in order(ways(*given), health, 5.0, lambda: chance)]
    assert sorted(found) == [str(at) for at in range(len(given)) if at not in out]
