"""What a request costs on more than one core, and with many records in the store."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from bench.cpu import request_job
from bench.gateway import Gateway, Settings
from bench.lookup import fill
from bench.report import Figure, Target
from bench.subject import CALLGATE, DIRECT, Subject
from bench.testbed import Testbed
from callgate.store.opening import open_store

# Two cores carry 2 / ratio times what one does: at least 1.8 times.
_WORKERS = Target(2 / 1.8, of_ratio=True)
_FULL = Target(1.03, of_ratio=True)
_SPAN_MS = 4 * 3600 * 1000
_ONE, _EMPTY = "one worker", "empty store"


def _upstream(testbed: Testbed) -> int:
    return next(subject.port for subject in testbed.subjects if subject.name == DIRECT)


def _compared(testbed: Testbed, subjects: Mapping[str, Subject]) -> Mapping[str, list[float]]:
    """CPU µs per request, round by round, one after the other in turns."""
    cost = defaultdict[str, list[float]](list)
    for number in range(2 * testbed.extent.rounds + 1):
        for name, subject in subjects.items():
            tree = subject.tree
            assert tree is not None
            before = tree.cpu_ns()
            result = testbed.run(request_job(subject, testbed.extent.seconds))
            tree.settle()
            if number and result.requests:  # the first one warms up
                cost[name].append((tree.cpu_ns() - before) / 1000 / result.requests)
    return cost


def workers(testbed: Testbed) -> list[Figure]:
    """Two workers on two cores against one on one, by what a request costs.

    The load shares the cores with them, so a rate would tell of the load as well.
    """
    everywhere = frozenset(os.sched_getaffinity(0))
    upstream = _upstream(testbed)
    placed = {_ONE: (testbed.cores.subject, 1), CALLGATE: (everywhere, 2)}
    with contextlib.ExitStack() as stack:
        subjects = {}
        for name, (cores, count) in placed.items():
            folder = testbed.folder / f"workers-{count}"
            gateway = Gateway(folder, upstream, cores, Settings(workers=count))
            gateway.create_key()
            subjects[name] = gateway.start()
            _stop_later(stack, subjects[name])
        cost = _compared(testbed, subjects)
    figure = Figure(
        scenario="workers",
        metric="CPU per request, two workers over one",
        unit="us",
        rounds=cost,
        over=cost[_ONE],
        target=_WORKERS,
    )
    ratio = figure.ratio()
    figure.notes = [f"two cores carry {2 / ratio:.2f} times what one does"] if ratio else []
    return [figure]


def store(testbed: Testbed) -> list[Figure]:
    """A store that holds the records of four busy hours against an empty one."""
    count, upstream = testbed.extent.records, _upstream(testbed)
    with contextlib.ExitStack() as stack:
        subjects = {}
        for name in (_EMPTY, CALLGATE):
            folder = testbed.folder / f"store-{name.replace(' ', '-')}"
            gateway = Gateway(folder, upstream, testbed.cores.subject)
            gateway.create_key()
            if name == CALLGATE:
                gigabytes = _filled(folder / "callgate.db", count)
            subjects[name] = gateway.start()
            _stop_later(stack, subjects[name])
        cost = _compared(testbed, subjects)
    return [
        Figure(
            scenario="store",
            metric=f"CPU per request, {count:,} records over none",
            unit="us",
            rounds=cost,
            over=cost[_EMPTY],
            target=_FULL,
        ),
        Figure(
            scenario="store",
            metric="a million records",
            unit="GB",
            rounds={CALLGATE: [gigabytes * 1e6 / count]},
        ),
    ]


def _filled(path: Path, count: int) -> float:
    """Put so many records into an SQLite database; its gigabytes."""
    print(f"filling a store with {count:,} records", file=sys.stderr, flush=True)
    database = open_store(f"sqlite:///{path}")
    try:
        fill(database, count, _SPAN_MS, int(time.time() * 1000))
    finally:
        database.close()
    return path.stat().st_size / 1e9


def _stop_later(stack: contextlib.ExitStack, subject: Subject) -> None:
    assert subject.tree is not None
    stack.callback(subject.tree.stop)
