"""Counters of several workers on one machine: in a table of slots that all of them map.

A key is the BLAKE2b of account and name, and its last byte the period. Use one `MappedCounters` per
process, from one thread.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from time import monotonic

from callgate.core import limits
from callgate.core.limits import Draw, Level, Period
from callgate.core.quota import Correction, Grant, Quota, quota
from callgate.store.base import Caution
from callgate.store.counters.mappedfile import KEY
from callgate.store.counters.slots import PATIENCE, Slots, unavailable

_SETTLE_PAUSE, _SETTLE_LONGEST, _SETTLE_LAST = 0.002, 0.2, 0.5  # seconds
_MOST_LATE = 10_000


class MappedCounters:
    """`Counters` that are exact for all processes that open the same `path`.

    `slots` is how many counters can be open at once and holds for a file made by this call; an
    existing file keeps its own. The file (mode 0600) is made if absent and replaced if its layout
    is another version's. Raises StoreError where it cannot be opened.
    """

    trouble: str | None = None
    caution: Caution | None = None
    outages: int = 0

    def __init__(self, path: Path, slots: int = 65536) -> None:
        self._slots = Slots(path, slots)
        # Where this process last found a key. A hint: the slot itself is asked under its lock.
        self._hints: dict[tuple[str, str], tuple[int, bytes]] = {}
        self._late: list[tuple[bytes, Correction]] = []  # what was locked when it was settled
        self._catching_up = False

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        """Take one request from the window, if it has one left. `now` is Unix seconds.

        Raises GatewayError `limits_unavailable` where the table is full, or the slot's lock has
        been held by another process for a second.
        """
        at = int(now * 1_000_000)
        hint = self._hints.get((account, model))
        if hint is not None:
            taken = await self._slots.take(*hint, limit, at)
            if taken is not None:
                return taken
        key = _digest(account, model)
        deadline = monotonic() + PATIENCE
        while monotonic() < deadline:
            slot = await self._slots.claimed(key, at)
            self._hint(account, model, slot, key)
            taken = await self._slots.take(slot, key, limit, at)
            if taken is not None:
                return taken
        raise unavailable("The table of limits is too busy", "slots change hands too fast")

    async def peek(self, account: str, model: str, limit: int, now: float) -> Quota:
        """The window as it stands; where none is open, as if it opened now."""
        at = int(now * 1_000_000)
        key = _digest(account, model)
        slot = self._slots.search(key)
        level = Level() if slot is None else await self._slots.read(slot, key)
        opened, used = limits.look(level.opened, level.used, at)
        return quota(used < limit, limit, opened, used)

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """Take all of these or none. Raises GatewayError `limits_unavailable` as `reserve` does."""
        at = int(now * 1_000_000)
        keys = [_digest(account, draw.name, draw.period) for draw in draws]
        slots = await self._slots.hold(keys, at)
        try:
            levels = [
                limits.current(self._slots.level(slot), draw.period, draw.begins, at)
                for slot, draw in zip(slots, draws, strict=True)
            ]
            refused = limits.first_refused(levels, draws)
            if refused is None:
                levels = [limits.drawn(*pair) for pair in zip(levels, draws, strict=True)]
            for slot, level in zip(slots, levels, strict=True):
                self._slots.write(slot, level)
        finally:
            self._slots.unlock_all(slots)
        return Grant(refused, tuple(levels), at)

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        """How the counters of these draws stand, nothing taken; read without their locks."""
        at = int(now * 1_000_000)
        slots = [self._slots.search(_digest(account, draw.name, draw.period)) for draw in draws]
        levels = [Level() if slot is None else self._slots.level(slot) for slot in slots]
        return [
            limits.current(level, draw.period, draw.begins, at)
            for level, draw in zip(levels, draws, strict=True)
        ]

    def settle(
        self,
        account: str,
        corrections: Sequence[Correction],
        now: float,
        *,
        of: Grant | None = None,
    ) -> None:
        """Correct what was drawn; a slot that is locked just now gets it a little later."""
        for one in corrections:
            key = _digest(account, one.name, one.period)
            if not self._correct(key, one) and len(self._late) < _MOST_LATE:
                self._late.append((key, one))
        if self._late and not self._catching_up:
            self._catch_up(_SETTLE_PAUSE)

    async def seed(
        self,
        account: str,
        name: str,
        period: Period,
        begins: int,
        amount: int,
        now: float,
        *,
        again: bool = False,
    ) -> bool:
        """Tell a calendar counter what was spent before its birth; False where it knows already.

        Raises GatewayError `limits_unavailable` as `reserve` does.
        """
        key = _digest(account, name, period)
        (slot,) = await self._slots.hold([key], int(now * 1_000_000))
        try:
            before = self._slots.level(slot)
            after = limits.seeded(before, begins, amount, again=again)
            self._slots.write(slot, after)
        finally:
            self._slots.unlock_all([slot])
        return after is not before

    async def start(self) -> None:
        """There is nothing to get ready."""

    async def stop(self) -> None:
        """Wait until nothing is left to be corrected, half a second at most."""
        ends = monotonic() + _SETTLE_LAST
        while self._late and monotonic() < ends:
            await asyncio.sleep(_SETTLE_PAUSE)

    def retire(self) -> None:
        """Whoever follows maps the same table."""

    def close(self) -> None:
        """Unmap the file; the windows stay in it."""
        self._slots.close()

    def _correct(self, key: bytes, one: Correction) -> bool:
        """Whether it is done; not where the slot is locked just now."""
        slot = None if self._slots.closed else self._slots.search(key)
        if slot is None:
            return True
        if not self._slots.lock_all([slot], [key]):
            return False
        try:
            self._slots.write(
                slot, limits.corrected(self._slots.level(slot), one.opened, one.delta)
            )
        finally:
            self._slots.unlock_all([slot])
        return True

    def _catch_up(self, pause: float) -> None:
        """Correct what was locked before; who has the lock may be a process that does not run."""
        self._late = [late for late in self._late if not self._correct(*late)]
        self._catching_up = bool(self._late)
        if self._late:
            longer = min(2 * pause, _SETTLE_LONGEST)
            asyncio.get_running_loop().call_later(pause, self._catch_up, longer)

    def _hint(self, account: str, model: str, slot: int, key: bytes) -> None:
        if len(self._hints) >= self._slots.count:
            self._hints.clear()
        self._hints[account, model] = (slot, key)


def _digest(account: str, name: str, period: Period = Period.WINDOW) -> bytes:
    # With its length, lest a NUL in a name make two pairs one.
    text = f"{len(account)}\0{account}\0{name}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=KEY - 1).digest() + bytes((period,))
