"""Quantiles of the latest latencies."""

from __future__ import annotations

from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from callgate.core.pace import Pace

times = st.floats(0, 1000)


@given(st.lists(times, max_size=400), st.sampled_from([0.01, 0.5, 0.95, 1.0]))
def test_a_quantile_is_that_of_the_latest(seen: list[float], share: float) -> None:
    pace = Pace()
    for one in seen:
        pace.add(one)
    latest = sorted(seen[-128:])
    expected = latest[ceil(share * len(latest)) - 1] if len(latest) >= 20 else None
    assert pace.quantile(share) == expected


def test_a_change_is_seen_soon_and_memory_stays_bounded() -> None:
    pace = Pace()
    for _ in range(10_000):
        pace.add(0.1)
    assert pace.quantile(0.95) == 0.1
    for _ in range(8):
        pace.add(5.0)
    assert pace.quantile(0.95) == 5.0
    assert len(pace._sorted) == len(pace._latest) == 128
