"""Counters on a server that many gateways share.

One round trip per request, many of them in one write (`pipeline`). An answer that does not come in
time counts as none. From then on no request waits: each process goes on by itself, with its share
of every limit (`share`), until the server is back (`session`). Late answers are then reconciled
(`late`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from callgate.core.limits import WINDOW_US, Draw, Level, Period
from callgate.core.quota import Correction, Grant, Quota, quota
from callgate.store.base import Caution
from callgate.store.counters.commands import Commands, granted
from callgate.store.counters.late import Late, given_back
from callgate.store.counters.link import Link
from callgate.store.counters.membership import Membership
from callgate.store.counters.roster import Roster
from callgate.store.counters.session import Session
from callgate.store.counters.share import Share


class RemoteCounters:
    """`Counters` that are exact for all processes that count on the same server.

    `key` makes a counter's key from account and name; `process` names this process in the set of
    all, whose key is `processes`; there are at least `workers` of them, and `roster` remembers how
    many there were. A request waits for at most `timeout` seconds. With `own_clock` the time is the
    callers' argument, otherwise the server's.
    """

    def __init__(
        self,
        link: Link,
        *,
        key: Callable[[str, str], str],
        process: str,
        processes: str,
        workers: int = 1,
        timeout: float = 0.05,
        own_clock: bool = False,
        clock: Callable[[], float] = time.time,
        roster: Roster | None = None,
    ) -> None:
        self._commands = Commands(key, own_clock=own_clock)
        self._own_clock = own_clock
        self._clock = clock
        self._share = share = Share(workers)
        membership = Membership(link, share, process=process, processes=processes, roster=roster)
        self._session = Session(
            link,
            self._commands,
            share,
            membership,
            timeout=timeout,
            clock=clock,
            heard=self._heard,
        )
        self._pipeline = self._session.pipeline

    @property
    def trouble(self) -> str | None:
        """Why limits are not exact at the moment, for the operator."""
        return self._session.trouble

    @property
    def caution(self) -> Caution | None:
        """What may silently make counting inexact, if anything."""
        return self._session.caution

    @property
    def outages(self) -> int:
        """How often the server went away."""
        return self._session.outages

    # Called by the engine

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        """Take one request from the window, if it has one left. `now` is Unix seconds."""
        return await self._one(account, model, limit, now, look=False)

    async def peek(self, account: str, model: str, limit: int, now: float) -> Quota:
        """The window as it stands, nothing taken; `admitted` says whether one is left."""
        return await self._one(account, model, limit, now, look=True)

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """Take all of these or none, atomically."""
        answer = self._pipeline.ask(
            self._commands.draw(account, draws, now, look=False), account, draws
        )
        try:
            said = await asyncio.shield(answer)
        except asyncio.CancelledError:
            answer.add_done_callback(partial(self._left, account, draws, now))
            raise
        return self._decided(said, account, draws, now)

    def _decided(self, said: Any, account: str, draws: Sequence[Draw], now: float) -> Grant:
        late = said if isinstance(said, Late) else None
        if late is not None:
            grant = late.answer  # it may have come after all, before this decision
        else:
            grant = None if said is None else granted(said, len(draws))
        if grant is None:
            return self._alone(late, account, draws, now)
        self._share.heard(account, draws, grant.levels, now - grant.now / 1e6)
        return grant

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        """How the counters of these draws stand, nothing taken; none of them while away."""
        answer = await self._pipeline.ask(self._commands.draw(account, draws, now, look=True))
        if answer is None:
            return ()
        grant = granted(answer, len(draws))
        self._share.heard(account, draws, grant.levels, now - grant.now / 1e6)
        return grant.levels

    def _alone(self, late: Late | None, account: str, draws: Sequence[Draw], now: float) -> Grant:
        if late is None:
            return self._share.draw(account, draws, now)
        late.refuse()
        late.local = self._share.draw(account, draws, now)
        return late.local.replace(late=late)

    def _left(
        self, account: str, draws: Sequence[Draw], now: float, answer: asyncio.Future[Any]
    ) -> None:
        """The caller has left: give back what was drawn, except the request itself."""
        said = None if answer.cancelled() else answer.result()
        if isinstance(said, Late):
            said.abandoned = True
            self._follow(said, now)
        elif said is not None:
            grant = granted(said, len(draws))
            if grant.refused is None:
                self.settle(account, given_back(draws[1:], grant.levels[1:]), now)

    def _heard(self, late: Late, answer: Sequence[int]) -> None:
        late.answer = grant = granted(answer, len(late.draws))
        now = self._clock()
        self._share.heard(late.account, late.draws, grant.levels, now - grant.now / 1e6)
        self._follow(late, now)

    def _follow(self, late: Late, now: float) -> None:
        """Reconcile a late answer with the local decision, once both are known."""
        if late.ripe:
            owed, corrections = late.sequel()
            self._share.owe(owed)
            self.settle(late.account, corrections, now)

    def settle(
        self,
        account: str,
        corrections: Sequence[Correction],
        now: float,
        *,
        of: Grant | None = None,
    ) -> None:
        """Correct what was drawn. Goes out with the next write; never waits, never raises."""
        if not corrections:
            return
        if of is not None and not of.exact:
            corrections = self._shared(account, corrections, now, of)
        self._session.correct(account, corrections)

    def _shared(
        self, account: str, corrections: Sequence[Correction], now: float, of: Grant
    ) -> Sequence[Correction]:
        """Correct what was drawn from the share; returns what the server has to correct, too."""
        late = of.late if isinstance(of.late, Late) else None
        if late is not None and late.taken_over:
            self._share.correct(account, corrections, now)
            return late.moved(corrections)
        if late is not None:
            late.corrected(corrections)
        corrections = self._share.settle(account, corrections, now)
        if self.trouble is None:
            debts = self._share.debts(now)
            self._pipeline.correct([self._commands.charge(owed, now) for owed in debts])
        return corrections

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
        """Add to a calendar counter what was spent before its birth; False if it knows already."""
        command = self._commands.seed(account, name, begins, amount, now, again=again)
        return bool(await self._pipeline.ask(command))

    async def start(self) -> None:
        """Connect, for two seconds at most; if that fails, keep trying in the background."""
        await self._session.start()

    async def stop(self) -> None:
        """Send what is still to be settled, and disconnect."""
        await self._session.stop()

    def retire(self) -> None:
        """Nothing to hand over: the next process asks the same server."""

    def close(self) -> None:
        """Forget what was counted alone."""
        self._share.close()

    # Towards the server

    async def _one(self, account: str, model: str, limit: int, now: float, *, look: bool) -> Quota:
        draw = Draw(model, limit, 1)
        draws = () if look else (draw,)
        said = await self._pipeline.ask(
            self._commands.draw(account, (draw,), now, look=look), account, draws
        )
        if said is None and look:
            return self._share.look(account, draw, now)
        if said is None or isinstance(said, Late):
            grant = self._decided(said, account, draws, now)
            refused, at, level = grant.refused is not None, grant.now, grant.levels[0]
            opened, used = level.opened, level.used
            if not grant.exact:
                return quota(not refused, limit, opened, used, exact=False)
        else:
            refused, at, opened, used, _ = said
        # Converted to the caller's clock, which may differ from the server's.
        until = (opened + WINDOW_US - at) / 1_000_000 + now
        self._share.counted(account, model, used, until, opened)
        reset = (opened + WINDOW_US) / 1_000_000 if self._own_clock else until
        return Quota(not refused, limit, limit - used if used < limit else 0, reset)
