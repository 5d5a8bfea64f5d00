"""Counters on a server that many gateways share, and what happens while it is away.

Whatever is asked within one turn of the event loop goes out in one write, and what is asked
meanwhile with the next: one round trip a request, however many requests there are. An answer that
is not there in time counts as none. From the first such moment on nobody waits any more: each
process goes on by itself, with its share of every limit, while one task tries to get the server
back; then it tells the server what was used meanwhile, and counting is exact again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from callgate.core.limits import Draw, Level, Period
from callgate.store.base import Correction, Grant, Quota, quota
from callgate.store.link import Command, Link, LinkError
from callgate.store.roster import Roster
from callgate.store.scripts import BEAT, DRAW, LEAVE, SEED, SETTLE
from callgate.store.share import Debt, Share

_GRACE = 0.1
_IN_FLIGHT = 2
_SETTLE_SECONDS = 0.02
_START_SECONDS = 2.0
_BEAT_SECONDS = 2.0
_GONE_MS = 10_000
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_MOST_SETTLED = 10_000
_BATCH = 500
_ENDLESS = 2**53 - 1
_log = logging.getLogger("callgate.counters")


class _Waiting(NamedTuple):
    command: Command
    answer: asyncio.Future[Any]


class RemoteCounters:
    """`Counters` that are exact for all processes that count on the same server.

    `key` gives the key of a counter from account and name; `process` names this process among
    `processes`, the key of the set of all; `workers` is how many there are at least. A
    request waits for `timeout` seconds. `roster` remembers how many there were. With
    `own_clock` the time is what callers say, else the server's. `decided_alone` counts the
    decisions that were taken while the server was away, `outages` how often it went.
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
        roster: Roster | None = None,
    ) -> None:
        self.trouble: str | None = "not connected yet"
        self.decided_alone = 0
        self.outages = 0
        self._link = link
        self._key = key
        self._process = process
        self._processes = processes
        self._own_clock = own_clock
        self._timeout = timeout
        self._share = Share(workers)
        self._waiting: list[_Waiting] = []
        self._in_flight: set[asyncio.Task[None]] = set()
        self._scheduled = self._settling = False
        self._settled: list[Command] = []
        self._roster = roster
        self._returning = False
        self._full_by = 0.0  # when every process that there is has registered again
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
        answer = self._asked(self._draw(account, draws, now, look=False))
        try:
            said = await asyncio.shield(answer)
        except asyncio.CancelledError:
            answer.add_done_callback(partial(self._give_back, account, draws, now))
            raise
        if said is None:
            self.decided_alone += 1
            return self._share.draw(account, draws, now)
        grant = _granted(said, len(draws))
        self._share.remember(account, draws, grant.levels)
        return grant

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        """How the counters of these draws stand, nothing taken; none of them while away."""
        answer = await self._ask(self._draw(account, draws, now, look=True))
        return () if answer is None else _granted(answer, len(draws)).levels

    def _give_back(
        self, account: str, draws: Sequence[Draw], now: float, answer: asyncio.Future[Any]
    ) -> None:
        """Nobody is there any more for whom this was drawn; the request itself stays counted."""
        said = None if answer.cancelled() else answer.result()
        if said is None:
            return
        grant = _granted(said, len(draws))
        corrections = [
            Correction(draw.name, draw.period, level.opened, -min(draw.amount, draw.limit))
            for draw, level in zip(draws[1:], grant.levels[1:], strict=True)
        ]
        if grant.refused is None and corrections:
            self.settle(account, corrections, now)

    def settle(
        self, account: str, corrections: Sequence[Correction], now: float, *, exact: bool = True
    ) -> None:
        """Correct what was drawn. Goes out with the next write; never waits, never raises."""
        if len(self._settled) >= _MOST_SETTLED:
            return  # the reservations stand
        if not exact:
            self._share.settle(account, corrections, now)
            if self.trouble is None:
                self._settled += map(self._charge, self._share.debts(now))
                self._schedule_settling()
            return
        keys = tuple(self._key(account, one.name) for one in corrections)
        said = tuple(part for one in corrections for part in (one.opened, one.delta))
        self._settled.append(Command(SETTLE, keys, said))
        if self.trouble is None:
            self._schedule_settling()

    async def seed(self, account: str, name: str, period: Period, begins: int, amount: int) -> bool:
        """Tell a calendar counter what was spent before its birth; False where it knows already."""
        answer = await self._ask(Command(SEED, (self._key(account, name),), (begins, amount)))
        return bool(answer)

    # The life of it

    async def start(self) -> None:
        """Connect, for two seconds at most; go on trying where that fails."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                await self._connect()
        if self.trouble is not None:
            self._returning = True
            if self._roster is not None:
                # Whichever of them it is: the last has no part in what is left over.
                self._share.processes = self._roster.read()
                self._share.place = self._share.processes - 1
        self._keeper = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """Send what is still to be settled, and disconnect."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, *self._in_flight, return_exceptions=True)
            self._keeper = None
        if self.trouble is None:
            last = [*self._take_settled(), Command(LEAVE, (self._processes,), (self._process,))]
            with suppress(LinkError, TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._link.run(last)
        self.trouble = "stopped"
        await self._link.aclose()

    def retire(self) -> None:
        """Whoever follows asks the same server."""

    def close(self) -> None:
        """Forget what was counted alone."""
        self._share.close()

    # One write after the other

    async def _one(self, account: str, model: str, limit: int, now: float, *, look: bool) -> Quota:
        draw = Draw(model, limit, 1)
        answer = await self._ask(self._draw(account, (draw,), now, look=look))
        if answer is None:
            self.decided_alone += not look
            return self._share.one(account, draw, now, look=look)
        refused, at, opened, used, _ = answer
        found = quota(not refused, limit, opened, used)
        # By the caller's clock, which may differ from the server's.
        return found if self._own_clock else found._replace(reset=found.reset - at / 1e6 + now)

    def _draw(self, account: str, draws: Sequence[Draw], now: float, *, look: bool) -> Command:
        said: list[int | str] = [int(now * 1_000_000) if self._own_clock else 0, int(look)]
        for one in draws:
            said += (one.begins, one.limit, one.amount)
        return Command(DRAW, tuple(self._key(account, one.name) for one in draws), tuple(said))

    async def _ask(self, command: Command) -> Any:
        """The answer, or None where the server is away."""
        return await self._asked(command)

    def _asked(self, command: Command) -> asyncio.Future[Any]:
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self.trouble is not None:
            answer.set_result(None)
        else:
            self._waiting.append(_Waiting(command, answer))
            self._schedule()
        return answer

    def _schedule(self) -> None:
        if not self._scheduled and len(self._in_flight) < _IN_FLIGHT:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _schedule_settling(self) -> None:
        """Corrections go with the next reservations, or by themselves where none come."""
        if not self._settling:
            self._settling = True
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._schedule)

    def _flush(self) -> None:
        self._scheduled = self._settling = False
        batch, self._waiting = self._waiting, []
        settled = self._take_settled()
        if batch or settled:
            task = asyncio.create_task(self._send(batch, settled))
            self._in_flight.add(task)
            task.add_done_callback(self._sent)
            wait = self._timeout * (1 - _GRACE)
            asyncio.get_running_loop().call_later(wait, self._overdue, task, batch, True)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        if self._waiting or self._settled:
            self._schedule()

    async def _send(self, batch: list[_Waiting], settled: list[Command]) -> None:
        try:
            answers = await self._link.run([*settled, *(one.command for one in batch)])
        except LinkError as error:
            self._go_alone(str(error), batch)
            return
        except Exception as defect:
            _log.exception("a defect in counting")
            self._go_alone(type(defect).__name__, batch)
            return
        for one, answer in zip(batch, answers[len(settled) :], strict=True):
            if not one.answer.done():
                one.answer.set_result(answer)

    def _overdue(self, task: asyncio.Task[None], batch: list[_Waiting], first: bool) -> None:
        """The bound is over. Where this process itself was held up, the answer may be there."""
        if task.done():
            return
        if first:
            wait = self._timeout * _GRACE
            asyncio.get_running_loop().call_later(wait, self._overdue, task, batch, False)
            return
        self._go_alone(f"no answer within {self._timeout * 1000:g} ms", batch)
        task.cancel()

    def _take_settled(self) -> list[Command]:
        taken, self._settled = self._settled[:_BATCH], self._settled[_BATCH:]
        return taken

    # Away and back

    def _go_alone(self, why: str, batch: Sequence[_Waiting] = ()) -> None:
        if self.trouble is None:
            self.trouble = why
            self.outages += 1
            self._returning = True
            _log.error("limits are counted by each process alone", extra={"detail": why})
            self._wake.set()
        waiting, self._waiting = self._waiting, []
        for one in (*batch, *waiting):
            if not one.answer.done():
                one.answer.set_result(None)

    async def _keep(self) -> None:
        """Tell the server that this process is there; get it back when it was away."""
        pause = _FIRST_PAUSE
        while True:
            away = self.trouble is not None
            self._wake.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause if away else _BEAT_SECONDS):
                    await self._wake.wait()
            if away:
                pause = min(pause * 2, _LONGEST_PAUSE)
                await self._connect()
            elif self.trouble is None:
                pause = _FIRST_PAUSE
                await self._beat()

    async def _connect(self) -> None:
        try:
            await self._link.connect()
            if self._returning:
                self._full_by = asyncio.get_running_loop().time() + _GONE_MS / 1000
            await self._register()
            await self._repay()
        except LinkError as error:
            self.trouble = str(error)
            return
        _log.info("limits are counted on the server", extra={"processes": self._share.processes})
        self.trouble = None
        self._share.rejoin()

    async def _beat(self) -> None:
        try:
            async with asyncio.timeout(1.0):
                await self._register()
        except (LinkError, TimeoutError) as error:
            self._go_alone(str(error) or "the server does not answer")

    async def _register(self) -> None:
        said = (self._process, _GONE_MS)
        (answer,) = await self._link.run([Command(BEAT, (self._processes,), said)])
        # A server that was started anew knows only those who have come back so far. Should it go
        # again before all have, the shares of few would be too large.
        whole = asyncio.get_running_loop().time() >= self._full_by
        known = self._share.processes
        if whole or answer[1] >= known:
            self._share.place, self._share.processes = answer
        if self._roster is not None and self._share.processes != known:
            self._roster.write(self._share.processes)

    async def _repay(self) -> None:
        """Charge to the server what was used while it was away, as far as it still counts."""
        while debts := self._share.debts(time.time()):  # meanwhile there may be more
            for first in range(0, len(debts), _BATCH):
                try:
                    await self._link.run([*map(self._charge, debts[first : first + _BATCH])])
                except BaseException:
                    self._share.owe(debts[first:])
                    raise

    def _charge(self, owed: tuple[Debt, int]) -> Command:
        (account, name, period, opened), amount = owed
        begins = 0 if period is Period.WINDOW else opened
        draw = Draw(name, _ENDLESS, amount, period, begins)
        return self._draw(account, [draw], time.time(), look=False)


def _granted(said: Sequence[int], count: int) -> Grant:
    """What the server's script says of so many draws."""
    refused, at = said[0], said[1]
    levels = tuple(Level(*said[first : first + 3]) for first in range(2, 2 + 3 * count, 3))
    return Grant(refused - 1 if refused else None, levels, at)
