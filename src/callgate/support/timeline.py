"""Spans of time as words and as bars to scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Band(NamedTuple):
    """A stretch of a bar in microseconds from the bar's zero, and the character that fills it."""

    start_us: int
    end_us: int
    fill: str


def duration(us: int) -> str:
    """Microseconds in words, to three digits: `340 µs`, `12.3 ms`, `1.24 s`, `2 min 5 s`."""
    us = max(us, 0)
    if us < 1000:
        return f"{us} µs"
    if us < 999_500:
        return f"{_three(us / 1e3)} ms"
    if us < 59_950_000:
        return f"{_three(us / 1e6)} s"
    seconds = round(us / 1e6)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def bar(bands: Sequence[Band], total_us: int, width: int) -> str:
    """The bands on a line of `width` characters that stands for 0 … `total_us`.

    Later bands cover earlier ones. A band that begins within the line shows at least one
    character, so that nothing which happened is invisible; elsewhere the line is blank.
    """
    line = [" "] * width
    scale = width / max(total_us, 1)
    for start_us, end_us, fill in bands:
        first = min(max(int(start_us * scale), 0), width - 1)
        last = min(max(round(end_us * scale), first + 1), width)
        line[first:last] = fill * (last - first)
    return "".join(line)


def _three(number: float) -> str:
    digits = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:.{digits}f}"
