"""Requests above a limit: which gateway admitted them by its share, and whose doing that was."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from bench.endure.pulse import Strain
from bench.endure.windows import Over

_BOUND_MS = 50.0
_BEFORE = 0.1
_AFTER = 1.0  # a request that finds the server late was asked before


class Departure(NamedTuple):
    """When a worker of a gateway began to count alone (Unix seconds), and why, by its log."""

    gateway: int
    at: float
    why: str


class Overruns(NamedTuple):
    """A line of each window with requests above its limit; `own` are those not by the machine."""

    told: list[str]
    own: int


def explained(
    over: Sequence[Over],
    departures: Sequence[Departure],
    strain: Callable[[float, float], Strain],
) -> Overruns:
    """It was the machine where Redis and the gateway together had no processor for the 50 ms."""
    told: list[str] = []
    own = 0
    for window in over:
        said = f"{window.account} at {window.model}, limit {window.limit}: {window.counted} counted"
        machines = True
        for gateway, began in window.alone:
            left = [
                one for one in departures if one.gateway == gateway and one.at <= began + _AFTER
            ]
            last = max(left, key=lambda one: one.at, default=Departure(gateway, began, "unknown"))
            kept = strain(last.at - _BEFORE, last.at).kept
            ours, server = kept.get(f"gateway{gateway}", 0.0), kept.get("redis", 0.0)
            machines &= ours + server >= _BOUND_MS
            said += (
                f"; one alone by gateway{gateway}, {began - last.at:.2f} s after: {last.why}, when "
                f"it was kept from a processor for {ours:g} ms, Redis for {server:g} ms"
            )
        own += not machines
        told.append(said)
    return Overruns(told, own)
