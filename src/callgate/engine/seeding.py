"""Telling the counters of budgets what was spent before they began to count."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from time import monotonic

from callgate.core.allowance import Rule, Spent, bears
from callgate.core.limits import beginning
from callgate.core.pricing import nano
from callgate.errors import GatewayError
from callgate.store.base import Counters, StoreError

_RETRY_SECONDS = 5.0
_REFUSED_SECONDS = 0.2
_MOST_PENDING = 10_000
_PAUSE_EVERY = 64
_log = logging.getLogger("callgate.budgets")


class Seeding:
    """Seeds budgets from records. `spent` gives what was spent since a day; it may block, and
    raise StoreError, so it runs in a thread.
    """

    def __init__(self, counters: Counters, spent: Callable[[date], Iterable[Spent]]) -> None:
        self._counters = counters
        self._spent = spent
        self._pending: dict[tuple[str, str], tuple[str, Rule, int, bool]] = {}
        self._task: asyncio.Task[None] | None = None

    def want(self, account: str, rule: Rule, begins: int, *, again: bool = False) -> None:
        """Seed a budget soon; `again` where its counter may have been told before. Never waits."""
        if len(self._pending) < _MOST_PENDING:
            self._pending[account, rule.name] = (account, rule, begins, again)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def prime(self, budgets: Iterable[tuple[str, Rule]]) -> None:
        """Seed these budgets of accounts now, before anybody is served.

        Each is treated as one that is back in force: its counter may have missed what was spent
        while earlier processes, configured without this budget, did not draw on it.
        """
        now = time.time_ns() // 1000
        for account, rule in budgets:
            begins = beginning(rule.period, now)
            self._pending[account, rule.name] = (account, rule, begins, True)
        if self._pending:
            try:
                await self._seed()
            except StoreError as error:
                _tell(error)
                self._task = asyncio.create_task(self._work(_RETRY_SECONDS))

    async def stop(self) -> None:
        """End the work in the background."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self, pause: float = 0.0) -> None:
        await asyncio.sleep(pause)
        while self._pending:
            try:
                await self._seed()
            except StoreError as error:
                _tell(error)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _seed(self) -> None:
        """Seed all that is wanted. Raises StoreError where it has to be done once more."""
        wanted = list(self._pending.values())
        oldest = min(begins for _, _, begins, _ in wanted)
        since = _day(oldest)
        rows = await asyncio.to_thread(lambda: _by_account(self._spent(since)))
        alone: str | None = None
        ends = monotonic() + _REFUSED_SECONDS
        for number, (account, rule, begins, again) in enumerate(wanted):
            if number % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)  # a budget of everyone is one of thousands of accounts
            own, first = rows.get(account, ()), _day(begins)
            amount = sum(nano(row.cost) for row in own if bears(rule, account, row, first))
            # Where nothing was spent, no room is taken by a counter that nobody may ever draw on.
            if amount or not again:
                counter = (account, rule.name, rule.period, begins)
                try:
                    await self._counters.seed(*counter, amount, time.time(), again=again)
                except GatewayError as refusal:
                    # Others may have room, but where it is a lock, each would wait a second for it.
                    alone = refusal.detail or refusal.message
                    place = account, rule.name
                    self._pending[place] = self._pending.pop(place, wanted[number])  # behind others
                    if monotonic() >= ends:
                        break
                    await asyncio.sleep(0)  # to look for room takes longer than to find it
                    continue
                if again and (trouble := self._counters.trouble) is not None:
                    alone = trouble  # it was not told, and nobody would ask for it once more
                    continue
            self._pending.pop((account, rule.name), None)
        if alone is not None:
            raise StoreError(alone)


def _tell(error: StoreError) -> None:
    _log.warning("what was spent so far is not known yet", extra={"detail": str(error)})


def _by_account(rows: Iterable[Spent]) -> dict[str, list[Spent]]:
    found: dict[str, list[Spent]] = {}
    for row in rows:
        found.setdefault(row.account, []).append(row)
    return found


def _day(begins: int) -> date:
    return datetime.fromtimestamp(begins // 1_000_000, UTC).date()
