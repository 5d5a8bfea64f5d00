"""Streams are held open: begun a few at a time, however slow who answers is."""

from __future__ import annotations

import os

from bench.gateway import Settings, room_for
from bench.job import Job

from bench import driver, request

STREAMS = 30


def test_every_stream_that_is_held_runs_at_once() -> None:
    cores = frozenset(os.sched_getaffinity(0))
    with driver.upstream(cores) as port:
        job = Job(
            mode="hold",
            port=port,
            request=request.stream(port, "key", 1000, pause_ms=20),
            events=1000 + request.OPENAI.extra_events,
            connections=STREAMS,
            at_once=4,
        )
        with driver.held(job, cores) as held:
            assert held.streams == STREAMS
        assert held.result is not None
        assert held.result.errors == 0
        assert held.result.events >= STREAMS


def test_a_gateway_gets_room_for_more_streams_than_its_defaults_have() -> None:
    assert room_for(10_000) == Settings()
    room = room_for(12_000)
    assert "max_requests = 12000" in room.server
    assert "max_connections = 12000" in room.tables
