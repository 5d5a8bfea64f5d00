"""One timer for the deadlines of all connections of a client."""

from __future__ import annotations

import asyncio
from math import inf
from time import monotonic
from typing import Protocol

_TICK = 0.025
_TICK_PER_ITEM = 20e-6


class Timed(Protocol):
    """Something with a deadline on the clock of `time.monotonic`."""

    deadline: float

    def overdue(self, now: float) -> None:
        """Called when `deadline` has passed; moves it, or ends what it bounds."""
        ...


class Sweeper:
    """Calls `overdue` on every watched item whose deadline has passed, at most one tick late.

    Setting a deadline costs an attribute and one comparison with `wake`: only where the new one
    is earlier does `hasten` have to be called. A deadline that moves later costs nothing, so the
    timer, set to the earliest deadline of the last sweep, fires seldom and is absent while
    nothing is watched. The tick grows with the number of items, which bounds the share of the
    processor that sweeping can take.
    """

    __slots__ = ("_handle", "_loop", "items", "wake")

    def __init__(self) -> None:
        self.items: set[Timed] = set()
        self.wake = inf
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def hasten(self, deadline: float) -> None:
        """Sweep no later than at `deadline` (or one tick from now, if that is later)."""
        now = monotonic()
        wake = max(deadline, now + self._tick())
        if wake < self.wake:
            self._schedule(now, wake)

    def discard(self, item: Timed) -> None:
        """Watch `item` no more; the timer goes with the last one."""
        self.items.discard(item)
        if not self.items and self._handle is not None:
            self._handle.cancel()
            self._handle = None
            self.wake = inf

    def _tick(self) -> float:
        return max(_TICK, _TICK_PER_ITEM * len(self.items))

    def _schedule(self, now: float, wake: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        self.wake = wake
        self._handle = self._loop.call_later(wake - now, self._sweep)

    def _sweep(self) -> None:
        self._handle = None
        self.wake = inf
        now = monotonic()
        for item in [item for item in self.items if item.deadline <= now]:
            item.overdue(now)
        earliest = min((item.deadline for item in self.items), default=inf)
        if earliest < inf:
            self._schedule(now, max(earliest, now + self._tick()))
