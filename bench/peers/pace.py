"""How many requests per second one core carries while the 99th percentile stays at 10 ms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from bench.peers import prompt
from bench.quiet import quietest
from bench.report import Figure
from bench.subject import Subject
from bench.testbed import Testbed

_BOUND_MS = 10.0
_STEPS = 24  # of a twentieth of the rate at full load: up to 1.2 times it
_CONNECTIONS = 64
_TRIES = 3  # to find the machine left alone


def pace(testbed: Testbed, subjects: Sequence[Subject], full: Mapping[str, float]) -> Figure:
    """Search between none and a little more than the rate of a closed loop, by halves."""
    found: dict[str, list[float]] = {}
    notes = []
    for subject in subjects:
        if not subject.tree or subject.name not in full:
            continue
        low, high, best = 0, _STEPS + 1, 0.0
        while high - low > 1:
            middle = (low + high) // 2
            rate = max(int(full[subject.name] * middle / 20), 1)
            if _holds(testbed, subject, rate):
                low, best = middle, float(rate)
            else:
                high = middle
        found[subject.name] = [best]
        if not best:
            notes.append(
                f"{subject.name} has a p99 above {_BOUND_MS:.0f} ms at every rate that was tried"
            )
        if low == _STEPS:
            notes.append(f"{subject.name} was not driven to its limit by this load generator")
    return Figure(
        scenario="peers",
        metric=f"requests/s on one core at p99 <= {_BOUND_MS:.0f} ms",
        unit="1/s",
        rounds=found,
        notes=notes,
    )


def _holds(testbed: Testbed, subject: Subject, rate: int) -> bool:
    assert subject.tree is not None
    subject.tree.settle(quiet=0.3, limit=2)
    seconds = max(testbed.extent.seconds, 1.0)
    asked = prompt.job(subject, "open", seconds, connections=_CONNECTIONS, rate=rate, warmup=0.3)
    result = quietest(partial(testbed.run, asked), _TRIES).result
    return not result.errors and result.latency.p99 / 1000 <= _BOUND_MS
