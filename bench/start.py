"""The time from the start of the process to its first answer."""

from __future__ import annotations

import time

from bench.connection import Connection, Outcome
from bench.gateway import Gateway
from bench.job import Job
from bench.report import Figure, Target
from bench.request import whole
from bench.subject import CALLGATE, StartError
from bench.testbed import Testbed

_FIRST_ANSWER = Target(1.0)
_PATIENCE = 10.0


def _first_answer(gateway: Gateway) -> float:
    began = time.monotonic()
    subject = gateway.start()
    assert subject.tree is not None
    try:
        job = Job(
            mode="closed",
            port=subject.port,
            request=whole(subject.port, subject.key),
            connections=1,
            marker=subject.marker,
        )
        while True:
            try:
                connection = Connection(job)
                break
            except ConnectionRefusedError:
                if time.monotonic() - began > _PATIENCE:
                    raise
        connection.send(time.monotonic_ns())
        while (outcome := connection.receive()) is Outcome.PENDING:
            if time.monotonic() - began > _PATIENCE:
                raise StartError("no first answer")
        elapsed = time.monotonic() - began
        connection.close()
    finally:
        subject.tree.stop()
    if outcome is not Outcome.RIGHT:
        raise StartError(connection.fault)
    return elapsed


def start(testbed: Testbed) -> list[Figure]:
    """Starts of an installation of its own, with files in the page cache."""
    if not testbed.gateway:
        return []
    gateway = testbed.gateway.beside()
    gateway.create_key()
    _first_answer(gateway)
    times = [_first_answer(gateway) for _ in range(testbed.extent.starts)]
    return [
        Figure(
            scenario="start",
            metric="to the first answer",
            unit="s",
            rounds={CALLGATE: times},
            target=_FIRST_ANSWER,
        )
    ]
