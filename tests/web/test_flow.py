"""Back-pressure on a caller's connection."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from callgate.web.flow import Flow


class Transport:
    def __init__(self) -> None:
        self.asked: list[str] = []

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
