"""Counters of several workers on one machine: a table in a memory-mapped file.

The layout is `mappedfile`'s. A key is the BLAKE2b of account and name; it stands within `_REACH`
slots of its home, and a slot whose counter's time is over is free for any key.

Two rules make it exact. A counter is read and written under the POSIX lock of its slot, several
under all of theirs; a key is written under that lock and the table's claim lock too, after a search
has shown that the key stands nowhere else. The kernel drops a process's locks when it dies, so
`kill -9` frees them, and each write is ordered such that the table is sound between any two of
them. Locks are tried, not waited for: a worker that is stopped while it holds one delays the
requests of that slot alone and never another worker's event loop.

POSIX locks belong to the process: use one `MappedCounters` per process, from one thread.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from time import monotonic

from callgate.core import limits
from callgate.core.limits import Draw, Level, Period
from callgate.core.quota import Correction, Grant, Quota, quota
from callgate.errors import GatewayError
from callgate.store.base import Caution
from callgate.store.counters.mappedfile import HEADER, KEY, WORDS, open_table

_REACH = 128

# The lock of slot i is the byte HEADER + i; one byte of the header stands for the whole table.
_CLAIM_LOCK = 1

_TRIES = 20
_PATIENCE = 1.0
_PAUSE = 0.0005
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
        self._fd = open_table(path, slots)
        self._map = mmap.mmap(self._fd, 0)
        self._words = memoryview(self._map).cast("Q")
        self._slots = self._words[2]
        self._reach = min(_REACH, self._slots)
        self._windows = (HEADER + self._slots * KEY) // 8
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
            quota = await self._take(*hint, limit, at)
            if quota is not None:
                return quota
        key = _digest(account, model)
        deadline = monotonic() + _PATIENCE
        while monotonic() < deadline:
            slot = self._search(key)
            if slot is None:
                slot = await self._claim(key, at)
            self._hint(account, model, slot, key)
            quota = await self._take(slot, key, limit, at)
            if quota is not None:
                return quota
        raise _unavailable("The table of limits is too busy", "slots change hands too fast")

    async def peek(self, account: str, model: str, limit: int, now: float) -> Quota:
        """The window as it stands; where none is open, as if it opened now."""
        at = int(now * 1_000_000)
        key = _digest(account, model)
        opened = used = 0
        slot = self._search(key)
        if slot is not None:
            await self._lock(HEADER + slot)
            try:
                if self._key(slot) == key:
                    level = self._level(slot)
                    opened, used = level.opened, level.used
            finally:
                self._unlock(HEADER + slot)
        opened, used = limits.look(opened, used, at)
        return quota(used < limit, limit, opened, used)

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """Take all of these or none. Raises GatewayError `limits_unavailable` as `reserve` does."""
        at = int(now * 1_000_000)
        keys = [_digest(account, draw.name, draw.period) for draw in draws]
        deadline, tries = monotonic() + _PATIENCE, 0
        while True:
            slots: list[int] = []
            for key in keys:
                slots.append(await self._slot(key, at, slots))
            if self._lock_all(slots, keys):
                break
            if monotonic() >= deadline:
                raise _unavailable("The table of limits is too busy", "its slots stay locked")
            tries += 1
            await asyncio.sleep(_PAUSE if tries > _TRIES else 0)
        try:
            levels = [
                limits.current(self._level(slot), draw.period, draw.begins, at)
                for slot, draw in zip(slots, draws, strict=True)
            ]
            refused = limits.first_refused(levels, draws)
            if refused is None:
                levels = [limits.drawn(*pair) for pair in zip(levels, draws, strict=True)]
            for slot, level in zip(slots, levels, strict=True):
                self._write(slot, level)
        finally:
            self._unlock_all(slots)
        return Grant(refused, tuple(levels), at)

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        """How the counters of these draws stand, nothing taken; read without their locks."""
        at = int(now * 1_000_000)
        slots = [self._search(_digest(account, draw.name, draw.period)) for draw in draws]
        levels = [Level() if slot is None else self._level(slot) for slot in slots]
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
        """Tell a calendar counter what was spent before its birth; False where it knows already."""
        at, key = int(now * 1_000_000), _digest(account, name, period)
        while True:
            slot = await self._slot(key, at)
            if self._lock_all([slot], [key]):
                break
            await asyncio.sleep(_PAUSE)
        try:
            before = self._level(slot)
            after = limits.seeded(before, begins, amount, again=again)
            self._write(slot, after)
        finally:
            self._unlock_all([slot])
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
        if self._fd >= 0:
            self._words.release()
            self._map.close()
            os.close(self._fd)
            self._fd = -1

    async def _take(self, slot: int, key: bytes, limit: int, now: int) -> Quota | None:
        """`core.limits.take` on a slot; None if it is no longer the key's."""
        lock = HEADER + slot
        if not self._try_lock(lock):
            await self._lock(lock)
        try:
            at = HEADER + slot * KEY
            if self._map[at : at + KEY] != key:
                return None
            words = self._words
            word = self._windows + slot * WORDS
            before = words[word]
            admitted, opened, used = limits.take(before, words[word + 1], limit, now)
            # Count first: a process killed before the second store leaves an expired window
            # expired, or an open one with a request counted that nobody made.
            words[word + 1] = used
            if opened != before:
                words[word] = opened
        finally:
            self._unlock(lock)
        return quota(admitted, limit, opened, used)

    def _correct(self, key: bytes, one: Correction) -> bool:
        """Whether it is done; not where the slot is locked just now."""
        slot = self._search(key) if self._fd >= 0 else None
        if slot is None:
            return True
        if not self._lock_all([slot], [key]):
            return False
        try:
            self._write(slot, limits.corrected(self._level(slot), one.opened, one.delta))
        finally:
            self._unlock_all([slot])
        return True

    def _catch_up(self, pause: float) -> None:
        """Correct what was locked before; who has the lock may be a process that does not run."""
        self._late = [late for late in self._late if not self._correct(*late)]
        self._catching_up = bool(self._late)
        if self._late:
            longer = min(2 * pause, _SETTLE_LONGEST)
            asyncio.get_running_loop().call_later(pause, self._catch_up, longer)

    async def _slot(self, key: bytes, now: int, taken: Sequence[int] = ()) -> int:
        slot = self._search(key)
        return await self._claim(key, now, taken) if slot is None else slot

    def _lock_all(self, slots: Sequence[int], keys: Sequence[bytes]) -> bool:
        """Take the locks of all slots if they are free and carry these keys; or none.

        Never waits with a lock in hand: it would not shut out others of this process.
        """
        held = []
        for slot, key in zip(slots, keys, strict=True):
            if self._try_lock(HEADER + slot):
                held.append(slot)
                if self._key(slot) == key:
                    continue
            self._unlock_all(held)
            return False
        return True

    def _unlock_all(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self._unlock(HEADER + slot)

    async def _claim(self, key: bytes, now: int, taken: Sequence[int] = ()) -> int:
        """A slot with the key, one whose time is over if need be, but none that is taken."""
        await self._lock(_CLAIM_LOCK)
        try:
            slot = self._search(key)
            if slot is not None:
                return slot
            home = self._home(key)
            for step in range(self._reach):
                slot = (home + step) % self._slots
                if slot not in taken and self._take_over(slot, key, now):
                    return slot
        finally:
            self._unlock(_CLAIM_LOCK)
        raise _unavailable("The table of limits is full", f"all of {self._reach} slots in reach")

    def _take_over(self, slot: int, key: bytes, now: int) -> bool:
        """Write the key into a slot whose counter's time is over, if nobody holds its lock."""
        opened = self._level(slot).opened
        if opened <= now and not limits.expired(opened, now, self._period(slot)):
            return False
        if not self._try_lock(HEADER + slot):
            return False
        try:
            return self._replace(slot, key, now)
        finally:
            self._unlock(HEADER + slot)

    def _replace(self, slot: int, key: bytes, now: int) -> bool:
        """Write the key into a slot whose lock is held, if its counter's time is over."""
        word = self._windows + slot * WORDS
        opened = self._words[word]
        if opened > now:
            # From before the clock stepped back; left alone it would stand for too long.
            self._words[word] = now
            return False
        if not limits.expired(opened, now, self._period(slot)):
            return False
        # Never opened first: whatever part of the key is written by then, the slot is free.
        self._words[word] = 0
        self._words[word + 1] = self._words[word + 2] = 0
        at = HEADER + slot * KEY
        self._map[at : at + KEY] = key
        return True

    def _search(self, key: bytes) -> int | None:
        """The slot that carries the key, as it looks without a lock."""
        home = self._home(key)
        beyond = home + self._reach - self._slots
        found = self._find(key, home, min(home + self._reach, self._slots))
        if found is None and beyond > 0:
            found = self._find(key, 0, beyond)
        return found

    def _find(self, key: bytes, first: int, end: int) -> int | None:
        at, stop = HEADER + first * KEY, HEADER + end * KEY
        while (at := self._map.find(key, at, stop)) >= 0:
            slot, rest = divmod(at - HEADER, KEY)
            if rest == 0:
                return slot
            at += 1
        return None

    def _home(self, key: bytes) -> int:
        return int.from_bytes(key[:8], "big") % self._slots

    def _key(self, slot: int) -> bytes:
        at = HEADER + slot * KEY
        return self._map[at : at + KEY]

    def _period(self, slot: int) -> int:
        return self._map[HEADER + slot * KEY + KEY - 1] % len(Period)

    def _level(self, slot: int) -> Level:
        word = self._windows + slot * WORDS
        return Level(*self._words[word : word + WORDS])

    def _write(self, slot: int, level: Level) -> None:
        # In the order that `_take` keeps to, and for the same reason.
        word = self._windows + slot * WORDS
        self._words[word + 1] = level.used
        self._words[word + 2] = level.birth
        self._words[word] = level.opened

    def _hint(self, account: str, model: str, slot: int, key: bytes) -> None:
        if len(self._hints) >= self._slots:
            self._hints.clear()
        self._hints[account, model] = (slot, key)

    def _try_lock(self, at: int) -> bool:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise _unavailable("The table of limits cannot be locked", str(error)) from error
        return True

    def _unlock(self, at: int) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, at)

    async def _lock(self, at: int) -> None:
        for _ in range(_TRIES):
            if self._try_lock(at):
                return
            await asyncio.sleep(0)
        deadline = monotonic() + _PATIENCE
        while monotonic() < deadline:
            await asyncio.sleep(_PAUSE)
            if self._try_lock(at):
                return
        raise _unavailable("The table of limits is locked", "another process holds a slot's lock")


def _digest(account: str, name: str, period: Period = Period.WINDOW) -> bytes:
    # With its length, lest a NUL in a name make two pairs one.
    text = f"{len(account)}\0{account}\0{name}".encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=KEY - 1).digest() + bytes((period,))


def _unavailable(message: str, detail: str) -> GatewayError:
    return GatewayError("limits_unavailable", message, detail=detail)
