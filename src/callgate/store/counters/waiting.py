"""Timeouts that count only time in which this process itself was running.

A process that does not run, because the machine is busy or stands still, hears nobody; when it runs
again, its timers are due before it has read what arrived meanwhile. So a wait is counted in slots,
each of which may last longer than it was meant to, and ends by turning the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Set
from typing import Any, TypeVar

SLOTS = 10
"""Into how many parts a bound is divided."""

TURNS = 8
"""After so many turns of the loop all that had arrived is read and with those who wait for it."""

T = TypeVar("T")


async def settled(tasks: Set[asyncio.Task[Any]], seconds: float) -> bool:
    """Wait for these for so many seconds in which this process ran; whether all have ended."""
    for _ in range(SLOTS):
        if tasks:
            await asyncio.wait(tasks, timeout=seconds / SLOTS)
        if all(task.done() for task in tasks):
            return True
    for _ in range(TURNS):
        await asyncio.sleep(0)
    return all(task.done() for task in tasks)


async def within(seconds: float, asked: Coroutine[Any, Any, T]) -> T:
    """What `asked` gives. Raises TimeoutError where `settled` would be False, and ends it then."""
    task = asyncio.ensure_future(asked)
    try:
        if await settled({task}, seconds):
            return task.result()
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
