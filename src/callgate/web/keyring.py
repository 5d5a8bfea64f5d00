"""Callers' keys in memory, kept in step with the store.

The hot path looks a key up in a dict. Once a second a thread asks the store for its version number,
and reads all keys again if it has changed. A key that is not in memory is looked up in the store:
one query at a time, with a limit per second, and misses are remembered for a moment, so a flood of
unknown keys remains a flood of dict look-ups.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Protocol

from callgate.errors import GatewayError
from callgate.store.base import Key, Keys, StoreError
from callgate.web.credentials import invalid

REFRESH_SECONDS = 1.0
_MISS_SECONDS = 1.0
_MAX_MISSES = 10_000
_MAX_HEADERS = 10_000
_LONGEST_HEADER = 256  # a key may stand behind as much white space as a head has room for
_MAX_TOLD = 20
_QUERIES_PER_SECOND = 20
_PATIENCE = 2.0
_LOOK_UP_PATIENCE = 0.5  # a caller is waiting, and a healthy store needs milliseconds
_UNKNOWN = "the store has no such key"
_NOT_ASKED = (
    f"the key is not in memory, and the store was not asked: {_QUERIES_PER_SECOND} others had "
    "been looked up within the same second"
)
_log = logging.getLogger("callgate.keys")


class Companion(Protocol):
    """Something else under the keys' version number, read again together with them."""

    def read(self) -> None:
        """Read it again. Blocks, runs in a thread; raises only what the store raises."""
        ...

    def apply(self) -> None:
        """Put what was last read into effect, in the event loop. Never raises."""
        ...


class Keyring:
    """The keys of one process. `trouble` says why the store does not answer, if it does not.

    `remember` is called with all keys whenever they have been read again. `on_change` is called in
    the event loop when they, or what is read with them, may have changed.
    """

    def __init__(
        self,
        keys: Keys,
        clock: Callable[[], float] = time.time,
        remember: Callable[[Iterable[Key]], None] | None = None,
        companion: Companion | None = None,
    ) -> None:
        self.trouble: str | None = None
        self.on_change: Callable[[], None] | None = None
        self._keys = keys
        self._clock = clock
        self._remember = remember
        self._companion = companion
        self._by_digest: dict[bytes, Key] = {}
        self._by_header: dict[bytes, tuple[Key, float]] = {}
        self._version: int | None = None
        self._told: int | None = None  # the version that `on_change` was called for
        self._misses: OrderedDict[bytes, float] = OrderedDict()
        self._one_query = asyncio.Lock()
        self._logged = False  # that the store is away
        self._second = 0
        self._queries = 0

    def load(self) -> None:
        """Read every key, if any has changed. Blocks; may raise what the store raises."""
        version = self._keys.version()
        if version != self._version:
            found = {key.digest: key for key in self._keys.all()}
            if self._companion is not None:
                self._companion.read()
            self._by_digest, self._version = found, version
            self._by_header = {}
            if odd := [key.id for key in found.values() if key.unreadable]:
                told = "keys are refused that this version does not understand"
                _log.warning(told, extra={"detail": ", ".join(odd[:_MAX_TOLD])})
            if self._remember is not None:
                self._remember(found.values())

    def restore(self, keys: Iterable[Key]) -> None:
        """Start with remembered keys because the store is away; it will be asked again."""
        self._by_digest = {key.digest: key for key in keys}
        self.trouble = "the store was away at the start"

    async def keep_fresh(self) -> None:
        """Stay in step with the store until cancelled."""
        loading: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            # A store that hangs blocks one thread, not another one each second.
            if loading is None:
                loading = asyncio.create_task(asyncio.to_thread(self.load))
            await asyncio.wait({loading}, timeout=_PATIENCE)
            if not loading.done():
                self.trouble = f"no answer for {_PATIENCE:g} s while reading keys"
                self._log_change(self.trouble)
                continue
            error = loading.exception()
            loading = None
            # Whatever is wrong with the store, the keys stay in memory.
            self.trouble = None if error is None else f"{type(error).__name__} while reading keys"
            self._log_change(str(error) if isinstance(error, StoreError) else self.trouble)
            if self._companion is not None and error is None:
                self._companion.apply()
            if self._version != self._told:
                self._told = self._version
                if self.on_change is not None:
                    self.on_change()

    def _log_change(self, trouble: str | None) -> None:
        """Log that the store is away, or back; once each."""
        if (trouble is not None) is self._logged:
            return
        self._logged = not self._logged
        if self._logged:
            told = "the store does not answer: keys are served from memory"
            _log.error(told, extra={"detail": trouble})
        else:
            _log.info("the store answers again")

    def all(self) -> list[Key]:
        """Every key in memory, dead ones too."""
        return list(self._by_digest.values())

    def known(self, header: bytes) -> Key | None:
        """The live key that this value of `Authorization` was found to carry before."""
        entry = self._by_header.get(header)
        if entry is None:
            return None
        key, ends = entry
        return key if self._clock() < ends else None

    def learn(self, header: bytes, key: Key) -> None:
        """Remember what a value of `Authorization` was found to carry, until any key changes."""
        if len(header) > _LONGEST_HEADER:
            return
        by_header = self._by_header
        # Fetched before checking the keys: `load` replaces those first, in another thread.
        if len(by_header) < _MAX_HEADERS and self._by_digest.get(key.digest) is key:
            dead_at = key.dead_at()
            by_header[header] = (key, dead_at / 1000 if dead_at is not None else math.inf)

    def cached(self, digest: bytes) -> Key | None:
        """The live key of this digest, if it is in memory.

        Raises GatewayError `unauthorized` where it has expired or been revoked.
        """
        key = self._by_digest.get(digest)
        if key is None:
            return None
        dead_at = key.dead_at()
        if dead_at is not None and dead_at <= self._clock() * 1000:
            raise invalid(_death(key, dead_at))
        return key

    def dead(self, digest: bytes) -> Key | None:
        """The key of this digest if it is in memory, even if it is no longer valid."""
        return self._by_digest.get(digest)

    async def find(self, digest: bytes) -> Key:
        """The live key of this digest, from the store if need be; within half a second.

        Raises GatewayError `unauthorized`, or `keys_unavailable` where the store cannot say.
        """
        key = self.cached(digest)
        if key is not None:
            return key
        if self.trouble is not None:  # `keep_fresh` notices when it is over, and reads every key
            raise self._unavailable()
        try:
            async with asyncio.timeout(_LOOK_UP_PATIENCE):
                return await self._ask(digest)
        except TimeoutError:  # those waiting behind this one are refused with it
            self.trouble = f"no answer for {_LOOK_UP_PATIENCE:g} s while looking up a key"
            raise self._unavailable() from None

    async def _ask(self, digest: bytes) -> Key:
        asked = self._clock()
        async with self._one_query:
            now = self._clock()
            key = self.cached(digest)
            if key is not None:
                return key
            if self._misses.get(digest, 0) > now:
                raise invalid(_UNKNOWN)
            if now - asked > _LOOK_UP_PATIENCE or self.trouble is not None:
                raise self._unavailable()  # the store is slow, or failed for an earlier caller
            if not self._within_budget(now):
                raise invalid(_NOT_ASKED)
            known = self._by_digest  # `load` may replace it, by something newer than the answer
            try:
                key = await asyncio.to_thread(self._keys.find, digest)
            except Exception as error:
                self.trouble = f"{type(error).__name__} while looking up a key"
                raise self._unavailable() from None
            if key is None:
                self._remember_miss(digest, now)
                raise invalid(_UNKNOWN)
            known[digest] = key
        return self.cached(digest) or key

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


def _death(key: Key, at: int) -> str:
    """Why and since when a key is refused, for the operator."""
    if key.unreadable:
        return f"key {key.id} holds what this version does not understand: {key.unreadable}"
    what = "was revoked" if at == key.revoked else "expired"
    then = datetime.fromtimestamp(abs(at) // 1000, UTC)
    return f"key {key.id} {what} at {then:%Y-%m-%d %H:%M:%S} UTC"
