"""Records that the journal could not write, on a full disk say: reported and tried again."""

from __future__ import annotations

import asyncio
import logging

from callgate.core.entry import entries_of
from callgate.store.base import RequestLog, StoreError
from callgate.store.journal.journal import Journal

_LOOK_EVERY = 1.0
_AT_ONCE = 256
_STORE_SECONDS = 5.0
_log = logging.getLogger("callgate.journal")


class HeldRecords:
    """Looks after what a worker's journal holds in memory. `requests` is where it goes at the end,
    should the journal still take nothing: a process that ends takes its memory along.
    """

    def __init__(self, journal: Journal, requests: RequestLog) -> None:
        self._journal = journal
        self._requests = requests
        self._told = False
        self._lost = 0

    async def keep(self) -> None:
        """Once a second until cancelled: log what has changed, write what can be written."""
        while True:
            await asyncio.sleep(_LOOK_EVERY)
            await self.look()

    async def look(self) -> None:
        """Log whether records are written, and try again to write those that are not."""
        journal = self._journal
        journal.look()
        while journal.held:
            before = journal.held
            if journal.flush(_AT_ONCE) or journal.held == before:
                break
            await asyncio.sleep(0)  # requests come first
        if journal.lost > self._lost:
            lost, self._lost = journal.lost - self._lost, journal.lost
            _log.error("records are lost", extra={"records": lost, "detail": journal.degraded})
        if (journal.degraded is not None) is self._told:
            return
        self._told = not self._told
        if self._told:
            _log.error("records cannot be written", extra={"detail": journal.degraded})
        else:
            _log.info("records are written again")

    async def save(self, *, final: bool = True) -> bool:
        """The process ends: what cannot be written goes to the store; whether nothing is left.

        What the store does not take either is kept, or where this is `final` told to be lost.
        """
        journal = self._journal
        if not journal.held or journal.flush():
            return True
        why, held = journal.degraded, journal.take_held()
        entries, _ = entries_of(held)
        try:
            async with asyncio.timeout(_STORE_SECONDS):
                await asyncio.to_thread(self._requests.append_many, entries)
        except (StoreError, TimeoutError, ValueError) as error:
            if not final:
                for record in held:
                    journal.append(record)
                return False
            detail = f"{why}; {error}"
            _log.error("records are lost", extra={"records": len(held), "detail": detail})
        else:
            told = {"records": len(held), "detail": why}
            _log.warning("records went to the store past the journal", extra=told)
        return True
