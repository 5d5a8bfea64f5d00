"""Latency at a fixed rate, measured from when each request should have been sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from bench import request
from bench.job import Job, Latency, Result
from bench.quiet import Taken, note, quietest
from bench.report import Figure, Target
from bench.subject import DIRECT, Subject
from bench.testbed import Testbed

_RATE = 1000
_CONNECTIONS = 64
_QUANTILES = ("p50", "p99", "p999")
_ADDED_P99_MS = Target(2.0)


def _job(subject: Subject, seconds: float, warmup: float) -> Job:
    return Job(
        mode="open",
        port=subject.port,
        request=request.whole(subject.port, subject.key),
        connections=_CONNECTIONS,
        seconds=warmup + seconds,
        rate=_RATE,
        marker=subject.marker,
        warmup=warmup,
    )


def latency(testbed: Testbed) -> list[Figure]:
    """Quantiles at 1,000 requests per second, and what is added to those of the direct call."""
    rounds: list[dict[str, Latency]] = []
    runs: list[Taken[Result]] = []
    for _ in range(testbed.extent.rounds):
        taken = {one.name: quietest(_run(testbed, one)) for one in testbed.subjects}
        rounds.append({name: one.result.latency for name, one in taken.items()})
        runs += taken.values()
    told = [note(runs)]
    return [
        figure
        for name in _QUANTILES
        for figure in (_total(rounds, name, told), _added(rounds, name, told))
    ]


def _run(testbed: Testbed, subject: Subject) -> Callable[[], Result]:
    def run() -> Result:
        if subject.tree:
            subject.tree.settle()
        return testbed.run(_job(subject, testbed.extent.seconds, testbed.extent.warmup / 2))

    return run


def _total(rounds: list[dict[str, Latency]], quantile: str, notes: list[str]) -> Figure:
    return Figure(
        scenario="latency",
        metric=f"{_title(quantile)} at {_RATE:,}/s",
        unit="ms",
        rounds=_by_subject(
            [{name: _ms(of, quantile) for name, of in found.items()} for found in rounds]
        ),
        notes=notes,
    )


def _added(rounds: list[dict[str, Latency]], quantile: str, notes: list[str]) -> Figure:
    return Figure(
        scenario="latency",
        metric=f"{_title(quantile)} added",
        unit="ms",
        rounds=_by_subject(
            [
                {
                    name: _ms(of, quantile) - _ms(found[DIRECT], quantile)
                    for name, of in found.items()
                    if name != DIRECT
                }
                for found in rounds
            ]
        ),
        target=_ADDED_P99_MS if quantile == "p99" else None,
        notes=notes,
    )


def _ms(latency: Latency, quantile: str) -> float:
    return float(getattr(latency, quantile)) / 1000


def _title(quantile: str) -> str:
    return "p99.9" if quantile == "p999" else quantile


def _by_subject(rounds: list[dict[str, float]]) -> dict[str, list[float]]:
    result = defaultdict[str, list[float]](list)
    for found in rounds:
        for name, value in found.items():
            result[name].append(value)
    return result
