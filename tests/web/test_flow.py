"""Back-pressure on a caller's connection."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import Any, cast

import pytest

from callgate.web.flow import Flow


class Transport:
    """One that has 9 bytes which the system does not take yet."""

    def __init__(self, connection: socket.socket | None = None) -> None:
        self.asked: list[str] = []
        self._connection = connection

    def get_write_buffer_size(self) -> int:
        return 9

    def get_extra_info(self, name: str) -> socket.socket | None:
        assert name == "socket"
        return self._connection

    def pause_reading(self) -> None:
        self.asked.append("pause")

    def resume_reading(self) -> None:
        self.asked.append("resume")


async def test_reading_is_paused_and_resumed_once_each() -> None:
    transport = Transport()
    flow = Flow(cast("Any", transport))
    flow.resume_reading()
    flow.pause_reading()
    flow.pause_reading()
    flow.resume_reading()
    flow.resume_reading()
    assert transport.asked == ["pause", "resume"]


async def test_who_writes_waits_until_the_caller_has_caught_up() -> None:
    flow = Flow(cast("Any", Transport()))
    await flow.drain()
    flow.pause_writing()
    waiting = [asyncio.create_task(flow.drain()) for _ in range(2)]
    await asyncio.sleep(0)
    assert flow.write_paused
    assert not any(task.done() for task in waiting)
    flow.resume_writing()
    await asyncio.gather(*waiting)
    assert not flow.write_paused
    await flow.drain()


def test_who_takes_nothing_has_stalled() -> None:
    flow = Flow(cast("Any", Transport()))
    assert [flow.stalled(now) for now in (5.0, 6.0, 65.0)] == [0.0, 1.0, 60.0]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system does not say")
def test_who_reads_slowly_what_the_system_holds_has_not_stalled() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        for _ in range(3):
            ours.send(bytes(100))
        flow = Flow(cast("Any", Transport(ours)))
        assert flow.stalled(0.0) == 0.0
        assert flow.stalled(50.0) == 50.0
        theirs.recv(100)
        assert flow.stalled(100.0) == 0.0
