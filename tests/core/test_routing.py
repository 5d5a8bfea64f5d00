"""Which deployment a call goes to."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest

from callgate.core.http import Origin
from callgate.core.models import Deployment, Vendor
from callgate.core.routing import pick
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
    ways = [msgspec.structs.replace(ONE, id=str(weight), weight=weight) for weight in (1, 2, 7)]
    drawn = Counter(pick(ways, at / 1000).id for at in range(1000))
    assert drawn == {"1": 100, "2": 200, "7": 700}


@pytest.mark.parametrize("chance", [0.0, 0.5, 1 - 2**-53])
def test_a_single_way_is_always_taken(chance: float) -> None:
    assert pick([ONE], chance) is ONE
