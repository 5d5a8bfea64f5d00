"""CPU time per request and per streamed event, from the operating system's accounting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from bench import request
from bench.job import Job, Result
from bench.report import Figure, Target
from bench.subject import Subject
from bench.testbed import Testbed

_CONNECTIONS = 64
_STREAMS = 50
_CONTENTS = 100
_PAUSE_MS = 10
_IDLE = 0.85
_REQUEST_TARGET = Target(3.0, of_ratio=True)
_EVENT_TARGET = Target(2.2, of_ratio=True)

Rounds = defaultdict[str, list[float]]


def _request_job(subject: Subject, seconds: float) -> Job:
    return Job(
        mode="closed",
        port=subject.port,
        request=request.whole(subject.port, subject.key),
        connections=_CONNECTIONS,
        seconds=seconds,
        marker=subject.marker,
    )


def _stream_job(subject: Subject, seconds: float) -> Job:
    return Job(
        mode="closed",
        port=subject.stream_port,
        request=request.stream(subject.stream_port, subject.key, _CONTENTS, _PAUSE_MS),
        connections=_STREAMS,
        seconds=seconds,
        events=_CONTENTS + request.EXTRA_EVENTS,
        marker=subject.marker,
        stagger=_PAUSE_MS / 1000 / _STREAMS,
    )


class _Series:
    """The rounds of one kind of load; what each gave, by measure and subject."""

    def __init__(self, testbed: Testbed, job: Callable[[Subject, float], Job], per: str) -> None:
        self.cost, self.rate, self.busy = Rounds(list), Rounds(list), Rounds(list)
        self.first, self.late = Rounds(list), Rounds(list)
        self.errors = 0
        self._testbed = testbed
        self._job = job
        self._per = per
        for subject in testbed.subjects:
            testbed.run(job(subject, testbed.extent.warmup))
        for _ in range(testbed.extent.rounds):
            for subject in testbed.subjects:
                self._round(subject)

    def _round(self, subject: Subject) -> None:
        tree = subject.tree
        if tree:
            tree.settle()
        before = tree.cpu_ns() if tree else 0
        result = self._testbed.run(self._job(subject, self._testbed.extent.seconds))
        if tree:
            self.busy[subject.name].append((tree.cpu_ns() - before) / 1e9 / result.seconds)
            tree.settle()  # work put off, such as shipping records, is paid for as well
            self.cost[subject.name].append(
                (tree.cpu_ns() - before) / 1000 / max(self._units(result), 1)
            )
        self.rate[subject.name].append(self._units(result) / result.seconds)
        self.first[subject.name].append(result.latency.p50 / 1000)
        self.late[subject.name].append(result.latency.p99 / 1000)
        self.errors += result.errors

    def _units(self, result: Result) -> int:
        return result.requests if self._per == "request" else result.events


def requests(testbed: Testbed) -> list[Figure]:
    """Whole answers, 64 connections, each sending as soon as it has its answer."""
    series = _Series(testbed, _request_job, "request")
    figure = Figure(
        scenario="request",
        metric="CPU per request",
        unit="us",
        rounds=series.cost,
        compared=True,
        target=_REQUEST_TARGET,
        errors=series.errors,
    )
    busy = Figure(scenario="request", metric="core in use", unit="share", rounds=series.busy)
    busy.notes = [
        f"{name} was busy for {share:.0%} of the time only; at full load it may cost less"
        for name in series.busy
        if (share := busy.value(name) or 0) < _IDLE
    ]
    rate = Figure(scenario="request", metric="requests per second", unit="1/s", rounds=series.rate)
    return [figure, rate, busy]


def streams(testbed: Testbed) -> list[Figure]:
    """50 streams at once, each with an event every 10 ms, every event sent alone."""
    series = _Series(testbed, _stream_job, "event")
    return [
        Figure(
            scenario="stream",
            metric="CPU per event",
            unit="us",
            rounds=series.cost,
            compared=True,
            target=_EVENT_TARGET,
            errors=series.errors,
        ),
        Figure(scenario="stream", metric="events per second", unit="1/s", rounds=series.rate),
        Figure(scenario="stream", metric="first event p50", unit="ms", rounds=series.first),
        Figure(scenario="stream", metric="first event p99", unit="ms", rounds=series.late),
    ]
