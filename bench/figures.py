"""Statistics over a few rounds."""

from __future__ import annotations

from collections.abc import Sequence
from math import comb
from statistics import median


def quantile(ordered: Sequence[float], q: float) -> float:
    """The value below which the share `q` of the sorted values lies (nearest rank)."""
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def spread(values: Sequence[float]) -> float:
    """How far the rounds lie apart: half the range, as a share of the median."""
    middle = median(values)
    return (max(values) - min(values)) / 2 / abs(middle) if middle else 0.0


def interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float] | None:
    """Between which rounds the median lies that endless rounds would have; None for too few.

    It is that of the sign test, so nothing is assumed of how the rounds are distributed (David and
    Nagaraja, Order Statistics, 7.1).
    """
    ordered, tail, outside = sorted(values), 0, 0
    for cut in range(len(ordered) // 2):
        tail += comb(len(ordered), cut)
        if 2 * tail > (1 - confidence) * 2 ** len(ordered):
            break
        outside = cut + 1
    return (ordered[outside - 1], ordered[-outside]) if outside else None
