"""From samples to a verdict: does memory grow, and is anything left behind?"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from msgspec import Struct

_LEAST_NOISE_MB = 2.0


class Sample(Struct, kw_only=True):
    """The gateway at one moment, `at` seconds from the start of the load."""

    at: float
    rss_mb: float
    sockets: int
    tasks: int
    in_progress: int


class Growth(Struct, kw_only=True):
    """How memory went in the time that was looked at; `noise` is its spread around the trend."""

    mb_per_minute: float
    mb: float
    noise_mb: float
    flat: bool


def growth(samples: Sequence[Sample], warm_up: float) -> Growth:
    """The trend after the warm-up: the median of the slopes between all pairs (Theil and Sen).

    Flat is what grew by no more than the samples scatter, or than 2 MB.
    """
    seen = [one for one in samples if one.at >= warm_up]
    if len(seen) > 400:
        seen = seen[:: len(seen) // 400 + 1]
    slopes = [
        (later.rss_mb - earlier.rss_mb) / (later.at - earlier.at)
        for number, earlier in enumerate(seen)
        for later in seen[number + 1 :]
        if later.at > earlier.at
    ]
    slope = median(slopes) if slopes else 0.0
    rest = sorted(one.rss_mb - slope * one.at for one in seen)
    noise = rest[int(len(rest) * 0.95)] - rest[int(len(rest) * 0.05)] if rest else 0.0
    grown = slope * (seen[-1].at - seen[0].at) if seen else 0.0
    return Growth(
        mb_per_minute=slope * 60,
        mb=grown,
        noise_mb=noise,
        flat=grown <= max(noise, _LEAST_NOISE_MB),
    )
