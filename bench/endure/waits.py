"""Whether callers waited longer while a server was away than at other times."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bench.endure.callers import Answer

_MOST_MS = 60.0
_AFTER = 0.5
_QUANTILES = (0.5, 0.9, 0.99, 0.999, 1.0)


class Span(NamedTuple):
    """When a server was away, Unix seconds."""

    name: str
    begun: float
    ended: float


class Waits(NamedTuple):
    """Quantiles of the wait in ms, with all servers and without one; `longer` is their difference.

    The last quantile is the longest wait of all.
    """

    sound: bool
    told: str
    within: dict[str, list[float]]
    outside: list[float]


def compared(answers: Sequence[Answer], spans: Sequence[Span]) -> Waits:
    """The waits of whole answers within the outages, by server, beside those of all others."""
    within: dict[str, list[float]] = {one.name: [] for one in spans}
    outside: list[float] = []
    for answer in answers:
        if answer.streamed:
            continue
        end = answer.began + answer.took
        hit = [one for one in spans if one.begun <= end and answer.began <= one.ended + _AFTER]
        for waits in [within[one.name] for one in hit] or [outside]:
            waits.append(answer.took * 1000)
    usual = _quantiles(outside)
    found = {name: _quantiles(waits) for name, waits in within.items()}
    longer = {
        name: [one - other for one, other in zip(waits, usual, strict=True)]
        for name, waits in found.items()
    }
    told = [f"p50/p90/p99/p99.9/max {_shown(usual)} ms with all servers"]
    told += [f"without {name} {_shown(waits)} ms" for name, waits in found.items()]
    worst = max((one for waits in longer.values() for one in waits), default=0.0)
    told.append(f"at most {worst:+.1f} ms longer")
    return Waits(worst <= _MOST_MS, "; ".join(told), found, usual)


def _quantiles(waits: Sequence[float]) -> list[float]:
    ordered = sorted(waits) or [0.0]
    return [ordered[min(int(len(ordered) * one), len(ordered) - 1)] for one in _QUANTILES]


def _shown(waits: Sequence[float]) -> str:
    return "/".join(f"{one:.1f}" for one in waits)
