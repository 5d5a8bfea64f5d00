"""Which CPU core each process of the bench runs on."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple


class Cores(NamedTuple):
    """Cores for the system under test, the fake upstream and the load generator."""

    subject: frozenset[int]
    upstream: frozenset[int]
    load: frozenset[int]

    @property
    def apart(self) -> bool:
        """Whether the system under test has a core of its own."""
        return self.subject.isdisjoint(self.load | self.upstream)


def place() -> Cores:
    """One core each where there are three; two share where there are two; all where there is one.

    The last cores are taken, because the first one serves most interrupts.
    """
    cores = [frozenset({core}) for core in sorted(os.sched_getaffinity(0), reverse=True)]
    subject, *others = cores
    if not others:
        return Cores(subject, subject, subject)
    return Cores(subject, others[0], others[1] if len(others) > 1 else others[0])


@contextlib.contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Processes started inside run on these cores only; children inherit it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
