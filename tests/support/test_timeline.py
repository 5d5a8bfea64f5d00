"""Durations in words and bars to scale."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.support.timeline import Band, bar, duration

TIMES = st.integers(-(10**6), 10**12)


@pytest.mark.parametrize(
    ("us", "words"),
    [
        (-5, "0 µs"),
        (0, "0 µs"),
        (999, "999 µs"),
        (1000, "1.00 ms"),
        (9_994, "9.99 ms"),
        (9_996, "10.0 ms"),
        (99_960, "100 ms"),
        (999_499, "999 ms"),
        (999_500, "1.00 s"),
        (12_340_000, "12.3 s"),
        (59_949_999, "59.9 s"),
        (59_950_000, "1 min 0 s"),
        (125_000_000, "2 min 5 s"),
        (3_599_600_000, "1 h 0 min"),
        (7_320_000_000, "2 h 2 min"),
    ],
)
def test_durations_are_told_to_three_digits(us: int, words: str) -> None:
    assert duration(us) == words


def test_a_bar_is_to_scale() -> None:
    bands = [Band(0, 100, "-"), Band(25, 50, "#"), Band(75, 100, "=")]
    assert bar(bands, 100, 8) == "--##--=="


def test_what_is_too_short_to_draw_shows_all_the_same() -> None:
    assert bar([Band(10, 11, "#")], 10_000, 10) == "#         "
    assert bar([Band(9_999, 9_999, "#")], 10_000, 10) == "         #"


@given(
    st.lists(st.builds(Band, TIMES, TIMES, st.just("#")), max_size=5), TIMES, st.integers(1, 200)
)
def test_no_times_break_a_bar(bands: list[Band], total: int, width: int) -> None:
    drawn = bar(bands, total, width)
    assert len(drawn) == width
    assert ("#" in drawn) == bool(bands)
