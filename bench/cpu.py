"""CPU time per request and per streamed event, from the operating system's accounting."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from bench import request
from bench.job import Job, Result
from bench.report import Figure, Target
from bench.subject import CALLGATE, NGINX, TRANSLATED, Subject
from bench.testbed import Testbed

_CONNECTIONS = 64
_STREAMS = 50
_CONTENTS = 100
_PAUSE = 0.01  # seconds between the events of a stream, as the fake provider has it
_IDLE = 0.85
_REQUEST_TARGET = Target(3.0, of_ratio=True)
_EVENT_TARGET = Target(2.2, of_ratio=True)
_TRANSLATED_REQUEST_TARGET = Target(1.5, of_ratio=True)
_TRANSLATED_EVENT_TARGET = Target(3.0, of_ratio=True)

Rounds = defaultdict[str, list[float]]


def request_job(subject: Subject, seconds: float) -> Job:
    """Whole answers at full load: each connection asks again as soon as it is answered."""
    return Job(
        mode="closed",
        port=subject.port,
        request=request.whole(subject.port, subject.key, subject.dialect),
        connections=_CONNECTIONS,
        seconds=seconds,
        marker=subject.marker,
    )


def _stream_job(subject: Subject, seconds: float) -> Job:
    return Job(
        mode="closed",
        port=subject.stream_port,
        request=request.stream(subject.stream_port, subject.key, _CONTENTS, subject.dialect),
        connections=_STREAMS,
        seconds=seconds,
        events=_CONTENTS + subject.dialect.extra_events,
        marker=subject.marker,
        stagger=_PAUSE / _STREAMS,
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
        subjects = [*testbed.subjects, *map(_translated, testbed.callgate())]
        for subject in subjects:
            testbed.run(job(subject, testbed.extent.warmup))
            if subject.tree:
                subject.tree.settle()
        for number in range(testbed.extent.rounds):
            for subject in subjects:
                # What the direct call costs is nobody's; one round tells the rest of it.
                if subject.tree or number == 0:
                    self._round(subject)

    def _round(self, subject: Subject) -> None:
        tree = subject.tree
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


def _translated(subject: Subject) -> Subject:
    return subject._replace(name=TRANSLATED, dialect=request.ANTHROPIC)


def requests(testbed: Testbed) -> list[Figure]:
    """Whole answers, 64 connections, each sending as soon as it has its answer."""
    series = _Series(testbed, request_job, "request")
    busy = Figure(scenario="request", metric="core in use", unit="share", rounds=series.busy)
    busy.notes = [
        f"{name} was busy for {share:.0%} of the time only; at full load it may cost less"
        for name in series.busy
        if (share := busy.value(name) or 0) < _IDLE
    ]
    return [
        Figure(
            scenario="request",
            metric="CPU per request",
            unit="us",
            rounds=series.cost,
            over=series.cost[NGINX],
            target=_REQUEST_TARGET,
            errors=series.errors,
        ),
        Figure(
            scenario="request",
            metric="CPU per translated request",
            unit="us",
            rounds={CALLGATE: series.cost[TRANSLATED]},
            over=series.cost[CALLGATE],
            target=_TRANSLATED_REQUEST_TARGET,
            notes=["a translated request's ratio is to the one that needs no translation"],
        ),
        Figure(scenario="request", metric="requests per second", unit="1/s", rounds=series.rate),
        busy,
    ]


def streams(testbed: Testbed) -> list[Figure]:
    """50 streams at once, each with an event every 10 ms, every event sent alone."""
    series = _Series(testbed, _stream_job, "event")
    nginx = series.cost[NGINX]
    return [
        Figure(
            scenario="stream",
            metric="CPU per event",
            unit="us",
            rounds=series.cost,
            over=nginx,
            target=_EVENT_TARGET,
            errors=series.errors,
        ),
        Figure(
            scenario="stream",
            metric="CPU per translated event",
            unit="us",
            rounds={NGINX: nginx, CALLGATE: series.cost[TRANSLATED]},
            over=nginx,
            target=_TRANSLATED_EVENT_TARGET,
        ),
        Figure(scenario="stream", metric="events per second", unit="1/s", rounds=series.rate),
        Figure(scenario="stream", metric="first event p50", unit="ms", rounds=series.first),
        Figure(scenario="stream", metric="first event p99", unit="ms", rounds=series.late),
    ]
