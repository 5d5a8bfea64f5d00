"""Counters of one worker, in its memory."""

from __future__ import annotations

from collections import OrderedDict

from callgate.core import limits
from callgate.errors import GatewayError
from callgate.store.base import Quota, quota

_SWEEP = 2
_UNOPENED = (0, 0)


class MemoryCounters:
    """`Counters` for a gateway with a single worker: exact, and gone when the process ends.

    At most `capacity` windows are open at once; beyond that `reserve` raises GatewayError
    `limits_unavailable`. Expired windows are dropped a few at a time, as new ones open.
    """

    def __init__(self, capacity: int = 1_000_000) -> None:
        # Ordered by opening, so that the first to expire stand in front.
        self._windows: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._capacity = capacity

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        """Take one request from the window, if it has one left. `now` is Unix seconds."""
        at = int(now * 1_000_000)
        place = (account, model)
        window = self._windows.get(place)
        if window is None:
            self._sweep(at)
            window = _UNOPENED
        before, count = window
        admitted, opened, used = limits.take(before, count, limit, at)
        self._windows[place] = (opened, used)
        if opened != before:
            self._windows.move_to_end(place)
        return quota(admitted, limit, opened, used)

    async def peek(self, account: str, model: str, limit: int, now: float) -> Quota:
        """The window as it stands; where none is open, as if it opened now."""
        at = int(now * 1_000_000)
        opened, used = limits.look(*self._windows.get((account, model), _UNOPENED), at)
        return quota(used < limit, limit, opened, used)

    def close(self) -> None:
        """Forget every window."""
        self._windows.clear()

    def __len__(self) -> int:
        return len(self._windows)

    def _sweep(self, now: int) -> None:
        for _ in range(_SWEEP):
            if not self._windows:
                return
            place = next(iter(self._windows))
            opened, used = self._windows[place]
            if limits.expired(opened, now):
                del self._windows[place]
            elif opened > now:
                # From before the clock stepped back; left alone it would stand for too long.
                self._windows[place] = (now, used)
                self._windows.move_to_end(place)
            else:
                break
        if len(self._windows) >= self._capacity:
            raise GatewayError(
                "limits_unavailable",
                "Too many rate-limit windows are open at once",
                detail=f"{self._capacity} windows of account and model are open in this worker",
            )
