"""What is added to the time of a direct call: to a whole answer, and to the first chunk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import NamedTuple

from bench.job import Job, Latency, Result
from bench.peers import prompt
from bench.quiet import Taken, note, quietest
from bench.report import Figure
from bench.subject import DIRECT, NGINX, Subject
from bench.testbed import Testbed

# Requests per second and seconds; who cannot carry such a rate is left out of it.
_LOADS = ((25, 10.0), (500, 4.0))
_SPARE = 1.5
_STREAMS, _STREAM_CHUNKS = 5, 20
_TRIES = 4  # to find the machine left alone: there are many to be measured
_ENOUGH = 1000  # requests for a 99.9th percentile to mean something
_TITLES = {"p50": "p50", "p99": "p99", "p999": "p99.9"}


class _Paid(NamedTuple):
    """What a run gave, and the CPU it took."""

    result: Result
    cpu_us: float


def added(testbed: Testbed, subjects: Sequence[Subject], full: Mapping[str, float]) -> list[Figure]:
    """Quantiles of the same constant schedule for all, less those of the direct call."""
    figures = []
    for rate, seconds in _LOADS:
        spent = seconds if testbed.extent.seconds >= 1.5 else seconds / 4
        able = [
            subject
            for subject in subjects
            if not subject.tree or full.get(subject.name, 0) > rate * _SPARE
        ]
        found: dict[str, Latency] = {}
        cost: dict[str, list[float]] = {}
        runs: list[Taken[_Paid]] = []
        for subject in able:
            asked = prompt.job(subject, "open", spent, connections=32, rate=rate, warmup=0.5)
            taken = quietest(partial(_paid, testbed, subject, asked), _TRIES)
            runs.append(taken)
            result = taken.result.result
            if result.latency.max:  # else nothing was answered that counts
                found[subject.name] = result.latency
            if subject.tree:
                cost[subject.name] = [taken.result.cpu_us / max(result.requests, 1)]
        names = [name for name in _TITLES if name != "p999" or rate * spent >= _ENOUGH]
        left = {subject.name for subject in subjects} - set(found)
        figures.append(
            Figure(
                scenario="peers",
                metric=f"CPU per request, 1k tokens, whole, at {rate}/s",
                unit="us",
                rounds=cost,
                over=cost.get(NGINX, ()),
            )
        )
        figures += [
            Figure(
                scenario="peers",
                metric=f"{_TITLES[name]} added at {rate}/s",
                unit="ms",
                rounds=_less_direct({who: [_ms(of, name)] for who, of in found.items()}),
                notes=[
                    *(f"{who} cannot carry {rate}/s with room to spare" for who in sorted(left)),
                    f"at {rate}/s: {note(runs)}",
                ],
            )
            for name in names
        ]
    return figures


def _paid(testbed: Testbed, subject: Subject, asked: Job) -> _Paid:
    if not subject.tree:
        return _Paid(testbed.run(asked), 0.0)
    subject.tree.settle(quiet=0.3, limit=3)
    before = subject.tree.cpu_ns()
    result = testbed.run(asked)
    subject.tree.settle(quiet=0.4, limit=3)
    return _Paid(result, (subject.tree.cpu_ns() - before) / 1000)


def first_chunk(testbed: Testbed, subjects: Sequence[Subject]) -> list[Figure]:
    """The time to the first chunk of a few streams at once, less that of the direct call."""
    found = {name: defaultdict[str, list[float]](list) for name in ("p50", "p99")}
    runs: list[Taken[Result]] = []
    for subject in subjects:
        asked = prompt.job(
            subject,
            "closed",
            3 * testbed.extent.seconds,
            chunks=_STREAM_CHUNKS,
            connections=_STREAMS,
            warmup=0.3,
        )
        taken = quietest(partial(testbed.run, asked), _TRIES)
        runs.append(taken)
        latency = taken.result.latency
        for name, rounds in found.items():
            if latency.max:
                rounds[subject.name].append(_ms(latency, name))
    return [
        Figure(
            scenario="peers",
            metric=f"first chunk {name} added",
            unit="ms",
            rounds=_less_direct(rounds),
            notes=[f"first chunk: {note(runs)}"],
        )
        for name, rounds in found.items()
    ]


def _ms(latency: Latency, quantile: str) -> float:
    return float(getattr(latency, quantile)) / 1000


def _less_direct(rounds: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    direct = rounds[DIRECT]
    return {
        name: [value - base for value, base in zip(values, direct, strict=True)]
        for name, values in rounds.items()
        if name != DIRECT
    }
