"""CPU time per request at the same rate for all, far below what saturates any of them."""

from __future__ import annotations

from bench import request
from bench.job import Job
from bench.report import Figure
from bench.subject import NGINX, Subject
from bench.testbed import Testbed

_RATES = (1000, 2000)
_CONNECTIONS = 64


def _job(subject: Subject, rate: int, seconds: float) -> Job:
    return Job(
        mode="open",
        port=subject.port,
        request=request.whole(subject.port, subject.key),
        connections=_CONNECTIONS,
        seconds=seconds,
        rate=rate,
        marker=subject.marker,
    )


def rates(testbed: Testbed) -> list[Figure]:
    """What a request costs who is asked so often a second, on a constant schedule."""
    for subject in testbed.proxies():
        testbed.run(_job(subject, _RATES[0], testbed.extent.warmup))
    return [_at(testbed, rate) for rate in _RATES]


def _at(testbed: Testbed, rate: int) -> Figure:
    seconds = testbed.extent.seconds
    cost: dict[str, list[float]] = {subject.name: [] for subject in testbed.proxies()}
    errors, notes = 0, []
    for _ in range(testbed.extent.rounds):
        for subject in testbed.proxies():
            assert subject.tree is not None
            subject.tree.settle()
            before = subject.tree.cpu_ns()
            result = testbed.run(_job(subject, rate, seconds))
            subject.tree.settle()  # work put off, such as shipping records, is paid for as well
            spent = subject.tree.cpu_ns() - before
            cost[subject.name].append(spent / 1000 / max(result.requests, 1))
            errors += result.errors
            if result.requests < 0.95 * rate * result.seconds:
                reached = result.requests / result.seconds
                notes.append(f"{subject.name} did not keep up with {rate:,}/s: {reached:,.0f}/s")
    return Figure(
        scenario="rate",
        metric=f"CPU per request at {rate:,}/s",
        unit="us",
        rounds=cost,
        over=cost.get(NGINX, ()),
        errors=errors,
        notes=notes,
    )
