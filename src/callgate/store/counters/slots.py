"""The table behind `mapped`: slots in a file that several processes map, and their locks.

The layout is `mappedfile`'s. A key stands within `_REACH` slots of its home, and a slot whose
counter's time is over is free for any key.

Two rules make it exact. A counter is read and written under the POSIX lock of its slot, several
under all of theirs; a key is written under that lock and the table's claim lock too, after a search
has shown that the key stands nowhere else. The kernel drops a process's locks when it dies, so
`kill -9` frees them, and each write is ordered such that the table is sound between any two of
them. Locks are tried, not waited for: a worker that is stopped while it holds one delays the
requests of that slot alone and never another worker's event loop.

POSIX locks belong to the process: use one `Slots` per process, from one thread.
"""

from __future__ import annotations

import asyncio
import fcntl
import mmap
import os
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

from callgate.core import limits
from callgate.core.limits import Level, Period
from callgate.core.quota import Quota, quota
from callgate.errors import GatewayError
from callgate.store.counters.mappedfile import HEADER, KEY, WORDS, open_table

PATIENCE = 1.0
"""Seconds that a lock is waited for."""
_PAUSE = 0.0005
_TRIES = 20  # in turns of the event loop, before the pauses
_REACH = 128

# The lock of slot i is the byte HEADER + i; one byte of the header stands for the whole table.
_CLAIM_LOCK = 1


class Slots:
    """The slots of the table at `path`; `count` of them where this call makes the file.

    A slot is told by its number. Raises StoreError where the file cannot be opened.
    """

    def __init__(self, path: Path, count: int) -> None:
        self._fd = open_table(path, count)
        self._map = mmap.mmap(self._fd, 0)
        self._words = memoryview(self._map).cast("Q")
        self.count = self._words[2]
        self._reach = min(_REACH, self.count)
        self._windows = (HEADER + self.count * KEY) // 8

    @property
    def closed(self) -> bool:
        """Whether the file has been let go of."""
        return self._fd < 0

    def close(self) -> None:
        """Unmap the file; the counters stay in it."""
        if self._fd >= 0:
            self._words.release()
            self._map.close()
            os.close(self._fd)
            self._fd = -1

    async def read(self, slot: int, key: bytes) -> Level:
        """How the counter of a slot stands; one that never was if it is no longer the key's."""
        await self._lock(HEADER + slot)
        try:
            return self.level(slot) if self._key(slot) == key else Level()
        finally:
            self._unlock(HEADER + slot)

    async def take(self, slot: int, key: bytes, limit: int, now: int) -> Quota | None:
        """`core.limits.take` on a slot, at `now` (Unix microseconds); None if it is no longer the
        key's.
        """
        lock = HEADER + slot
        if not self._try_lock(lock):
            await self._lock(lock)
        try:
            if self._key(slot) != key:
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

    async def claimed(self, key: bytes, now: int, taken: Sequence[int] = ()) -> int:
        """The slot of a key, one whose time is over if need be, but none that is `taken`.

        `now` is Unix microseconds. Raises GatewayError `limits_unavailable` where none is free, or
        the table has been locked by another process for a second.
        """
        slot = self.search(key)
        return await self._claim(key, now, taken) if slot is None else slot

    async def _claim(self, key: bytes, now: int, taken: Sequence[int]) -> int:
        await self._lock(_CLAIM_LOCK)
        try:
            slot = self.search(key)
            if slot is not None:
                return slot
            home = self._home(key)
            for step in range(self._reach):
                slot = (home + step) % self.count
                if slot not in taken and self._take_over(slot, key, now):
                    return slot
        finally:
            self._unlock(_CLAIM_LOCK)
        raise unavailable("The table of limits is full", f"all of {self._reach} slots in reach")

    def _take_over(self, slot: int, key: bytes, now: int) -> bool:
        """Write the key into a slot whose counter's time is over, if nobody holds its lock."""
        opened, period = self.level(slot).opened, self._period(slot)
        if (period or opened <= now) and not limits.expired(opened, now, period):
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
        opened, period = self._words[word], self._period(slot)
        if opened > now and not period:
            # From before the clock stepped back; left alone it would stand for too long.
            self._words[word] = now
            return False
        if not limits.expired(opened, now, period):
            return False
        # Never opened first: whatever part of the key is written by then, the slot is free.
        self._words[word] = 0
        self._words[word + 1] = self._words[word + 2] = 0
        at = HEADER + slot * KEY
        self._map[at : at + KEY] = key
        return True

    def search(self, key: bytes) -> int | None:
        """The slot that carries the key, as it looks without a lock."""
        home = self._home(key)
        beyond = home + self._reach - self.count
        found = self._find(key, home, min(home + self._reach, self.count))
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
        return int.from_bytes(key[:8], "big") % self.count

    def _key(self, slot: int) -> bytes:
        at = HEADER + slot * KEY
        return self._map[at : at + KEY]

    def _period(self, slot: int) -> int:
        return self._map[HEADER + slot * KEY + KEY - 1] % len(Period)

    def level(self, slot: int) -> Level:
        """How the counter of a slot stands, as it looks without a lock."""
        word = self._windows + slot * WORDS
        return Level(*self._words[word : word + WORDS])

    def write(self, slot: int, level: Level) -> None:
        """Write the counter of a slot whose lock is held."""
        # In the order that `take` keeps to, and for the same reason.
        word = self._windows + slot * WORDS
        self._words[word + 1] = level.used
        self._words[word + 2] = level.birth
        self._words[word] = level.opened

    async def hold(self, keys: Sequence[bytes], now: int) -> list[int]:
        """The slots of these keys, with the locks of all, which `unlock_all` gives back.

        Raises GatewayError as `claimed` does.
        """
        deadline, tries = monotonic() + PATIENCE, 0
        while True:
            slots: list[int] = []
            for key in keys:
                slots.append(await self.claimed(key, now, slots))
            if self.lock_all(slots, keys):
                return slots
            if monotonic() >= deadline:
                raise unavailable("The table of limits is too busy", "its slots stay locked")
            tries += 1
            await asyncio.sleep(_PAUSE if tries > _TRIES else 0)

    def lock_all(self, slots: Sequence[int], keys: Sequence[bytes]) -> bool:
        """Take the locks of all slots if they are free and carry these keys; or none.

        Never waits with a lock in hand: it would not shut out others of this process.
        """
        held = []
        for slot, key in zip(slots, keys, strict=True):
            if self._try_lock(HEADER + slot):
                held.append(slot)
                if self._key(slot) == key:
                    continue
            self.unlock_all(held)
            return False
        return True

    def unlock_all(self, slots: Sequence[int]) -> None:
        """Let go of the locks of these slots."""
        for slot in slots:
            self._unlock(HEADER + slot)

    def _try_lock(self, at: int) -> bool:
        try:
            fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, at)
        except (BlockingIOError, PermissionError):
            return False
        except OSError as error:
            raise unavailable("The table of limits cannot be locked", str(error)) from error
        return True

    def _unlock(self, at: int) -> None:
        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, at)

    async def _lock(self, at: int) -> None:
        for _ in range(_TRIES):
            if self._try_lock(at):
                return
            await asyncio.sleep(0)
        deadline = monotonic() + PATIENCE
        while monotonic() < deadline:
            await asyncio.sleep(_PAUSE)
            if self._try_lock(at):
                return
        raise unavailable("The table of limits is locked", "another process holds a slot's lock")


def unavailable(message: str, detail: str) -> GatewayError:
    """The `limits_unavailable` for a table that cannot be counted in just now."""
    return GatewayError("limits_unavailable", message, detail=detail)
