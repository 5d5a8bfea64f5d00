"""Counters on a server that many gateways share, and what happens while it is away.

One round trip a request, in one write for many (`pipeline`). An answer that is not there in
time counts as none. From the first such moment on nobody waits any more: each
process goes on by itself, with its share of every limit, while one task tries to get the server
back; then it hears what is still under way (`late`), tells the server what was used
meanwhile, and counting is exact again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import zip_longest
from typing import Any

from callgate.core.limits import WINDOW_US, Draw, Level, Period
from callgate.core.quota import Correction, Grant, Quota, quota
from callgate.store.base import Caution
from callgate.store.counters.commands import Commands, granted
from callgate.store.counters.late import Late, given_back
from callgate.store.counters.link import Link, LinkError
from callgate.store.counters.membership import Membership
from callgate.store.counters.pipeline import Pipeline
from callgate.store.counters.roster import Roster
from callgate.store.counters.share import Debt, Share
from callgate.store.counters.waiting import within

_START_SECONDS = 2.0
_CONNECT_SECONDS = 2.0
_HEAR_SECONDS = 1.0  # for what is under way, from when the server answers again
_REPAY_SECONDS = 10.0
_REFUSED_SECONDS = 60.0  # after which one counter that cannot be used holds up no others
_BEAT_SECONDS = 2.0
_TOLD_SECONDS = 1.0  # for a beat
_LOOK_SECONDS = 10.0
_SECOND_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_BATCH = 500
_log = logging.getLogger("callgate.counters")


class RemoteCounters:
    """`Counters` that are exact for all processes that count on the same server.

    `key` gives the key of a counter from account and name; `process` names this process among
    `processes`, the key of the set of all; `workers` is how many there are at least, `roster`
    remembers how many there were. A request waits for `timeout` seconds. With `own_clock` the time
    is what callers say, else the server's. `outages` counts how often the server went away.
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
        self.trouble: str | None = "not connected yet"
        self.caution: Caution | None = None
        self.outages = 0
        self._link = link
        self._commands = Commands(key, own_clock=own_clock)
        self._own_clock = own_clock
        self._clock = clock
        self._timeout = timeout
        self._share = Share(workers)
        self._membership = Membership(
            link, self._share, process=process, processes=processes, roster=roster
        )
        self._pipeline = Pipeline(link, timeout, lost=self._go_alone, heard=self._heard)
        self._returning = False
        self._left_at = 0.0
        self._look_at = 0.0  # when the server is next asked whether it keeps what it counts
        self._mark: str | None = None  # of the server, as long as it has lost nothing
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    # What callers ask

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        """Take one request from the window, if it has one left. `now` is Unix seconds."""
        return await self._one(account, model, limit, now, look=False)

    async def peek(self, account: str, model: str, limit: int, now: float) -> Quota:
        """The window as it stands, nothing taken; `admitted` says whether one is left."""
        return await self._one(account, model, limit, now, look=True)

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """Take all of these or none, in one step."""
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
            grant = late.answer  # it may have come after all, before anybody has decided
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
        """Nobody is there any more for whom this was drawn; the request itself stays counted."""
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
        """Do what follows from a late answer, where it is there."""
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
            late = of.late if isinstance(of.late, Late) else None
            if late is None or not late.taken_over:
                if late is not None:
                    late.corrected(corrections)
                corrections = self._share.settle(account, corrections, now)
                if self.trouble is None:
                    self._pipeline.correct(
                        [*(self._commands.charge(owed, now) for owed in self._share.debts(now))]
                    )
            else:
                self._share.correct(account, corrections, now)
                corrections = late.moved(corrections)
        self._correct(account, corrections)

    def _correct(self, account: str, corrections: Sequence[Correction]) -> None:
        if corrections:
            self._share.amend(account, corrections, sent=self._pipeline.open)
            self._pipeline.correct([self._commands.settle(account, corrections)])

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
        command = self._commands.seed(account, name, begins, amount, again=again)
        return bool(await self._pipeline.ask(command))

    # The life of it

    async def start(self) -> None:
        """Connect, for two seconds at most; go on trying where that fails."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                await self._connect()
        if self.trouble is not None:
            self._returning = True
            self._membership.guess()
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Send what is still to be settled, and disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            self._keeper = None
        await self._pipeline.hear(self._timeout)
        if self.trouble is None:
            last = [*self._pipeline.take_corrections(), self._membership.leaving()]
            with suppress(LinkError, TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._link.run(last)
        self.trouble = "stopped"
        self._pipeline.close()
        await self._link.aclose()

    def retire(self) -> None:
        """Whoever follows asks the same server."""

    def close(self) -> None:
        """Forget what was counted alone."""
        self._share.close()

    # What is said to the server, and what it says

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
        # By the caller's clock, which may differ from the server's.
        until = (opened + WINDOW_US - at) / 1_000_000 + now
        self._share.counted(account, model, used, until, opened)
        reset = (opened + WINDOW_US) / 1_000_000 if self._own_clock else until
        return Quota(not refused, limit, limit - used if used < limit else 0, reset)

    # Away and back

    def _go_alone(self, why: str) -> None:
        if self.trouble is None:
            self.trouble = why
            self.outages += 1
            self._returning = True
            self._left_at = self._clock()
            _log.error("limits are counted by each process alone", extra={"detail": why})
            self._wake.set()
        self._pipeline.close()

    async def _keep(self) -> None:
        """Tell the server that this process is there; get it back when it was away."""
        pause = 0.0  # the first attempt is made at once: a server that was late is often back
        while True:
            if self.trouble is not None:
                await asyncio.sleep(pause)
                pause = min(max(pause * 2, _SECOND_PAUSE), _LONGEST_PAUSE)
                await self._connect()
                continue
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(_BEAT_SECONDS):
                    await self._wake.wait()
            if self.trouble is None:
                pause = 0.0
                await self._beat()

    async def _connect(self) -> None:
        try:
            async with asyncio.timeout(_CONNECT_SECONDS):
                await self._link.connect()
                if self._returning:
                    self._membership.begin_anew()
                mark = await self._membership.register()
                await self._try_again()
                await self._look()
            await self._pipeline.hear(_HEAR_SECONDS)
            if mark != self._mark:
                await self._restore(mark)
                if self._mark is not None:  # each of the others knows how other windows stood
                    await self._membership.assembled()
                self._mark = mark
            await self._repay()
        except (LinkError, TimeoutError) as error:
            self.trouble = str(error) or "the server does not answer"
            return
        except Exception as defect:  # or nobody would ever try again
            _log.exception("a defect in counting")
            self.trouble = type(defect).__name__
            return
        _log.info("limits are counted on the server", extra={"processes": self._share.processes})
        self.trouble = None
        self._share.rejoin(self._clock())
        self._pipeline.open = True
        self._pipeline.resume()

    async def _try_again(self) -> None:
        """A server that has refused to count, one of a cluster perhaps, may go on refusing."""
        refused = self._pipeline.refused
        if refused is not None:
            if self._clock() < self._left_at + _REFUSED_SECONDS:
                await self._link.run([self._commands.nothing(refused)])
            self._pipeline.refused = None

    async def _beat(self) -> None:
        async def told() -> None:
            self._mark = await self._membership.register()
            await self._look()

        try:
            await within(_TOLD_SECONDS, told())
        except (LinkError, TimeoutError) as error:
            self._go_alone(str(error) or "the server does not answer")
        except Exception as defect:
            _log.exception("a defect in counting")
            self._go_alone(type(defect).__name__)

    async def _look(self) -> None:
        """See now and then whether the server may forget what it counts."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        found = await self._link.caution()
        if found is not None and found != self.caution:
            detail = f"{found.what}. {found.fix}"
            _log.warning("limits may come to be inexact", extra={"detail": detail})
        self.caution = found

    async def _restore(self, mark: str) -> None:
        """Tell a server that has lost its counters how they stood."""
        now = self._clock()
        told = [self._commands.restore(one, now, mark) for one in self._share.standings(now)]
        for first in range(0, len(told), _BATCH):
            async with asyncio.timeout(_REPAY_SECONDS):
                await self._link.run(told[first : first + _BATCH])

    async def _repay(self) -> None:
        """Correct and charge on the server what is known now, as far as it still counts."""
        while True:  # meanwhile there may be more
            settled = self._pipeline.take_corrections()
            debts = self._share.debts(self._clock())
            if not (settled or debts):
                return
            for first in range(0, max(len(debts), 1), _BATCH):
                charged = debts[first : first + _BATCH]
                charges = [self._commands.charge(owed, self._clock()) for owed in charged]
                answers: Sequence[Any] = ()
                try:
                    async with asyncio.timeout(_REPAY_SECONDS):
                        answers = await self._link.run([*settled, *charges])
                except BaseException as error:
                    answers = error.answers if isinstance(error, LinkError) else ()
                    self._share.owe(debts[first + _BATCH :])
                    raise
                finally:
                    self._charged(charged, answers[len(settled) :])
                settled = []

    def _charged(self, debts: Sequence[tuple[Debt, int]], answers: Sequence[Any]) -> None:
        """What is not known to have been charged is owed on."""
        now = self._clock()
        for owed, answer in zip_longest(debts, answers):
            if answer is None:
                self._share.owe([owed])
            elif owed[1] > 0:
                _, at, *level = answer
                back = self._share.paid(owed[0], Level(*level), now - at / 1e6)
                self._correct(owed[0].account, back)
