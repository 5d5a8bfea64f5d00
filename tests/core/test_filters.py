"""What requests are looked for by, as people write it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from callgate.core import filters


@pytest.mark.parametrize(
    ("read", "text", "value"),
    [
        (filters.status, "404", 404), (filters.status, "4xx", 4), (filters.status, "5XX", 5),
        (filters.duration, "1ms", 1000), (filters.duration, "10s", 10_000_000),
        (filters.duration, "2m", 120_000_000), (filters.dollars, "0.000001", 0.000001),
        (filters.dollars, "1000000", 1e6), (filters.dollars, "12.50", 12.5),
    ],
)  # fmt: skip
def test_each_is_read(read: Callable[[str], float], text: str, value: float) -> None:
    assert read(text) == value


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (filters.status, "600"), (filters.status, "4x"), (filters.status, "٤٠٤"),
        (filters.duration, "0s"), (filters.duration, "10"), (filters.duration, "1.5s"),
        (filters.duration, "-1s"), (filters.duration, "10S "), (filters.dollars, "0"),
        (filters.dollars, "1000001"), (filters.dollars, "1e3"), (filters.dollars, "0.0000001"),
        (filters.dollars, "nan"), (filters.dollars, "²"), (filters.dollars, "1\n"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_says_what_it_has_to_be(
    read: Callable[[str], float], text: str
) -> None:
    with pytest.raises(ValueError, match="must be "):
        read(text)
