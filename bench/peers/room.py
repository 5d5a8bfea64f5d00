"""Memory: when idle, at its highest under large prompts and open streams, and afterwards."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from bench import driver
from bench.peers import prompt
from bench.report import Figure
from bench.subject import Subject
from bench.testbed import Testbed
from bench.tree import Tree

_STREAMS = 200
_ENDLESS = 100_000
_PAUSE_MS = 1000


def room(testbed: Testbed, subjects: Sequence[Subject], idle: Mapping[str, float]) -> list[Figure]:
    """MB of each tree (proportional set size); `idle` was taken before any load."""
    peak: dict[str, list[float]] = {}
    after: dict[str, list[float]] = {}
    notes = []
    for subject in subjects:
        tree = subject.tree
        if not tree:
            continue
        with _highest(tree) as seen:
            asked = prompt.job(
                subject, "closed", testbed.extent.seconds, tokens=100_000, connections=16
            )
            testbed.run(asked)
            streams = prompt.job(subject, "hold", 0, chunks=_ENDLESS, connections=_STREAMS)
            streams.request = prompt.request(subject, 1000, _ENDLESS, _PAUSE_MS)
            with driver.held(streams, testbed.cores.load) as held:
                tree.settle(limit=1.5)
        if held.streams < _STREAMS:
            notes.append(f"{subject.name} carried {held.streams} streams only")
        peak[subject.name] = [max(seen)]
        tree.settle(limit=4)
        after[subject.name] = [tree.pss_kb() / 1024]
    rounds = {"idle": {name: [value] for name, value in idle.items()}, "peak": peak, "after": after}
    return [
        Figure(scenario="peers", metric=f"memory, {when}", unit="MB", rounds=of, notes=notes)
        for when, of in rounds.items()
    ]


@contextmanager
def _highest(tree: Tree) -> Iterator[list[float]]:
    """What the tree holds, looked at five times a second."""
    seen = [tree.pss_kb() / 1024]
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.2):
            seen.append(tree.pss_kb() / 1024)

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield seen
    finally:
        over.set()
        looking.join()
