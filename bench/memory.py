"""Memory: idle, after load, and per open stream (proportional set size of the whole tree)."""

from __future__ import annotations

from collections import defaultdict

from bench import driver, request
from bench.cpu import request_job
from bench.job import Job
from bench.report import Figure, Target
from bench.subject import Subject
from bench.testbed import Extent, Testbed

_PER_STREAM_KB = Target(40.0)
_ENDLESS = 100_000
_AT_ONCE = 100


def _hold(subject: Subject, extent: Extent) -> Job:
    pause_ms = int(extent.pause * 1000)
    return Job(
        mode="hold",
        port=subject.stream_port,
        request=request.stream(subject.stream_port, subject.key, _ENDLESS, pause_ms=pause_ms),
        events=_ENDLESS + request.OPENAI.extra_events,
        connections=extent.streams,
        marker=subject.marker,
        at_once=_AT_ONCE,
    )


def memory(testbed: Testbed) -> list[Figure]:
    """One round: a process does not give its memory back, so a second would measure less."""
    idle, loaded, per_stream, after = (defaultdict[str, list[float]](list) for _ in range(4))
    errors = 0
    notes: list[str] = []
    for subject in testbed.proxies():
        tree = subject.tree
        assert tree is not None
        idle[subject.name].append(tree.pss_kb() / 1024)
        testbed.run(request_job(subject, testbed.extent.warmup))
        tree.settle()
        before = tree.pss_kb()
        loaded[subject.name].append(before / 1024)
        with driver.held(_hold(subject, testbed.extent), testbed.cores.load) as held:
            tree.settle(limit=3)
            per_stream[subject.name].append((tree.pss_kb() - before) / max(held.streams, 1))
        if held.streams < testbed.extent.streams:
            notes.append(f"{subject.name} carried {held.streams:,} streams only")
        if held.result:
            errors += held.result.errors
            testbed.faults += held.result.faults
        tree.settle()
        after[subject.name].append(tree.pss_kb() / 1024)
    count = f"{testbed.extent.streams:,}"
    return [
        Figure(scenario="memory", metric="before load", unit="MB", rounds=idle),
        Figure(scenario="memory", metric="after load", unit="MB", rounds=loaded),
        Figure(
            scenario="memory",
            metric=f"per stream of {count}",
            unit="KB",
            rounds=per_stream,
            target=_PER_STREAM_KB,
            errors=errors,
            notes=notes,
        ),
        Figure(scenario="memory", metric=f"after {count} streams", unit="MB", rounds=after),
    ]
