"""Callers' keys in memory, kept in step with the store.

The hot path asks a dict. Once a second the store's version number is asked in a thread, and the
keys are read anew when it changed. A key that is not in memory is asked for once: all such
questions share one query at a time and a budget per second, and what was not found is remembered
for a moment, so a flood of unknown keys stays a flood of dict look-ups.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable

from callgate.errors import GatewayError
from callgate.store.base import Key, Keys
from callgate.web.credentials import refusal

REFRESH_SECONDS = 1.0
_MISS_SECONDS = 1.0
_MAX_MISSES = 10_000
_MAX_HEADERS = 10_000
_QUERIES_PER_SECOND = 20
_PATIENCE = 2.0


class Keyring:
    """The keys of one process. `trouble` says since when and why the store does not answer."""

    def __init__(self, keys: Keys, clock: Callable[[], float] = time.time) -> None:
        self.trouble: str | None = None
        self._keys = keys
        self._clock = clock
        self._by_digest: dict[bytes, Key] = {}
        self._by_header: dict[bytes, tuple[Key, float]] = {}
        self._version: int | None = None
        self._misses: OrderedDict[bytes, float] = OrderedDict()
        self._one_query = asyncio.Lock()
        self._second = 0
        self._queries = 0

    def load(self) -> None:
        """Read every key, if any has changed. Blocks; may raise what the store raises."""
        version = self._keys.version()
        if version != self._version:
            found = {key.digest: key for key in self._keys.all()}
            self._by_digest, self._version = found, version
            self._by_header = {}
            self._misses.clear()

    async def keep_fresh(self) -> None:
        """Stay in step with the store until cancelled."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                await asyncio.to_thread(self.load)
            except Exception as error:  # whatever ails it, keys stay in memory
                self.trouble = f"{type(error).__name__} while reading keys"
            else:
                self.trouble = None

    def known(self, header: bytes) -> Key | None:
        """The live key that this value of `Authorization` was found to bear before."""
        entry = self._by_header.get(header)
        if entry is None:
            return None
        key, ends = entry
        return key if self._clock() < ends else None

    def learn(self, header: bytes, key: Key) -> None:
        """Remember what a value of `Authorization` was found to bear, until any key changes."""
        if len(self._by_header) < _MAX_HEADERS:
            dead_at = key.dead_at()
            self._by_header[header] = (key, dead_at / 1000 if dead_at is not None else math.inf)

    def recall(self, digest: bytes) -> Key | None:
        """The live key of this digest, if it is in memory.

        Raises GatewayError `unauthorized` where it has expired or been revoked.
        """
        key = self._by_digest.get(digest)
        if key is None:
            return None
        dead_at = key.dead_at()
        if dead_at is not None and dead_at <= self._clock() * 1000:
            raise refusal()
        return key

    async def find(self, digest: bytes) -> Key:
        """The live key of this digest, from the store if need be.

        Raises GatewayError `unauthorized`, or `keys_unavailable` where the store cannot say.
        """
        asked = self._clock()
        async with self._one_query:
            now = self._clock()
            key = self.recall(digest)
            if key is not None:
                return key
            if self._misses.get(digest, 0) > now:
                raise refusal()
            if now - asked > _PATIENCE:  # the store is slow: who queued for it is not kept longer
                raise self._unavailable()
            if not self._within_budget(now):
                raise refusal()
            try:
                key = await asyncio.to_thread(self._keys.find, digest)
            except Exception as error:
                self.trouble = f"{type(error).__name__} while looking up a key"
                raise self._unavailable() from None
            if key is None:
                self._remember_miss(digest, now)
                raise refusal()
            self._by_digest[digest] = key
        return self.recall(digest) or key

    def _unavailable(self) -> GatewayError:
        return GatewayError(
            "keys_unavailable",
            "The key could not be checked just now",
            retry_after=REFRESH_SECONDS,
            detail=self.trouble or "the store is slow",
        )

    def _within_budget(self, now: float) -> bool:
        if int(now) != self._second:
            self._second, self._queries = int(now), 0
        self._queries += 1
        return self._queries <= _QUERIES_PER_SECOND

    def _remember_miss(self, digest: bytes, now: float) -> None:
        self._misses[digest] = now + _MISS_SECONDS
        while len(self._misses) > _MAX_MISSES:
            self._misses.popitem(last=False)
