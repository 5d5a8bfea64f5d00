"""Statistics over a few rounds."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median


def quantile(ordered: Sequence[float], q: float) -> float:
    """The value below which the share `q` of the sorted values lies (nearest rank)."""
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def spread(values: Sequence[float]) -> float:
    """How far the rounds lie apart: half the range, as a share of the median."""
    middle = median(values)
    return (max(values) - min(values)) / 2 / abs(middle) if middle else 0.0
