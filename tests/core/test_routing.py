"""Which deployment a call goes to."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest

from callgate.core.health import BreakerSettings, Health
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
    return [
        msgspec.structs.replace(ONE, id=str(at), weight=weight) for at, weight in enumerate(weights)
    ]


def healthy(count: int) -> dict[str, Health]:
    return {str(at): Health(BreakerSettings()) for at in range(count)}


def test_every_available_way_stands_in_the_order_once() -> None:
    chance = random.Random(1).random
    for _ in range(200):
        found = order(ways(1, 5, 3), healthy(3), 0.0, chance)
        assert sorted(one.id for one in found) == ["0", "1", "2"]


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


def test_who_is_out_is_not_asked() -> None:
    health = healthy(2)
    health["0"].rest(0.0, 10.0)
    assert [one.id for one in order(ways(100, 1), health, 5.0, lambda: 0.0)] == ["1"]
    health["1"].rest(0.0, 10.0)
    assert order(ways(100, 1), health, 5.0, lambda: 0.0) == []
