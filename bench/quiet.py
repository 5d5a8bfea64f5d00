"""Measures anew where other machines took this one's time meanwhile.

A processor that the hypervisor keeps to itself for ten milliseconds delays every request of these,
whoever serves them: a quantile of such a run is the machine's. Each of what is compared gets the
same number of tries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from bench.machine import stolen

MOST_STOLEN = 0.002  # of all time of all cores: about a tick of a run of three seconds on two
_TRIES = 8

T = TypeVar("T")


class Taken(NamedTuple, Generic[T]):
    """A result, the share of the time that was stolen meanwhile, and the tries it took."""

    result: T
    stolen: float
    tries: int


def quietest(
    take: Callable[[], T],
    tries: int = _TRIES,
    ticks: Callable[[], tuple[int, int]] = stolen,
) -> Taken[T]:
    """Take until at most 0.2 % of the time is stolen, `tries` times at most; the quietest of them.

    `ticks` tells how many have been stolen, and how many there have been.
    """
    best: Taken[T] | None = None
    for tried in range(1, tries + 1):
        lost, all_of_them = ticks()
        result = take()
        now = ticks()
        share = (now[0] - lost) / max(now[1] - all_of_them, 1)
        if best is None or share < best.stolen:
            best = Taken(result, share, tried)
        if best.stolen <= MOST_STOLEN:
            break
    assert best is not None
    return best._replace(tries=tried)


def note(runs: Iterable[Taken[Any]]) -> str:
    """How often the machine was left alone, for the report."""
    known = list(runs)
    disturbed = [one for one in known if one.stolen > MOST_STOLEN]
    told = f"{len(known)} runs in {sum(one.tries for one in known)} tries"
    if not disturbed:
        return f"{told}; in none was more than {MOST_STOLEN:.1%} of the time stolen"
    worst = max(one.stolen for one in disturbed)
    return f"{told}; {len(disturbed)} were never quiet, up to {worst:.1%} of the time was stolen"
