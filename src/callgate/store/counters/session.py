"""This process's session with the server that counts: connected, kept alive, lost, reconnected.

Once the server is lost each process counts alone (`share`), while a task tries to reconnect. When
the server answers again it is told how its counters stood, in case it has lost them, and is charged
with what was used meanwhile; then counting is exact again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import zip_longest
from typing import Any

from callgate.core.limits import Level
from callgate.core.quota import Correction
from callgate.store.base import Caution
from callgate.store.counters.commands import Commands
from callgate.store.counters.late import Late
from callgate.store.counters.link import Link, LinkError
from callgate.store.counters.membership import Membership
from callgate.store.counters.pipeline import Pipeline
from callgate.store.counters.share import Debt, Share
from callgate.store.counters.waiting import within

_START_SECONDS = 2.0
_CONNECT_SECONDS = 2.0
_HEAR_SECONDS = 1.0  # for answers that are still due, once the server answers again
_REPAY_SECONDS = 10.0
_REFUSED_SECONDS = 60.0  # after which one unusable counter no longer holds up the others
_BEAT_SECONDS = 2.0
_TOLD_SECONDS = 1.0  # for a beat
_LOOK_SECONDS = 10.0
_SECOND_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_BATCH = 500
_log = logging.getLogger("callgate.counters")


class Session:
    """Sends commands through its `pipeline`, which passes late answers to `heard`.

    `trouble` says why the server does not count for this process, None if it does; `outages` counts
    how often it was lost, and `caution` is what may make it forget. A request waits for it for at
    most `timeout` seconds.
    """

    def __init__(
        self,
        link: Link,
        commands: Commands,
        share: Share,
        membership: Membership,
        *,
        timeout: float,
        clock: Callable[[], float],
        heard: Callable[[Late, Any], None],
    ) -> None:
        self.trouble: str | None = "not connected yet"
        self.caution: Caution | None = None
        self.outages = 0
        self.pipeline = Pipeline(link, timeout, lost=self.lose, heard=heard)
        self._link = link
        self._commands = commands
        self._share = share
        self._membership = membership
        self._timeout = timeout
        self._clock = clock
        self._returning = False
        self._left_at = 0.0
        self._look_at = 0.0  # when to ask next whether the server keeps what it counts
        self._mark: str | None = None  # the server's; a different one means that it has lost data
        self._keeper: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()

    async def start(self) -> None:
        """Connect, for two seconds at most; if that fails, keep trying in the background."""
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
        await self.pipeline.hear(self._timeout)
        if self.trouble is None:
            last = [*self.pipeline.take_corrections(), self._membership.leaving()]
            with suppress(LinkError, TimeoutError):
                async with asyncio.timeout(self._timeout):
                    await self._link.run(last)
        self.trouble = "stopped"
        self.pipeline.close()
        await self._link.aclose()

    def correct(self, account: str, corrections: Sequence[Correction]) -> None:
        """Have the server correct what it has counted. Goes out with the next write."""
        if corrections:
            self._share.amend(account, corrections, sent=self.pipeline.open)
            self.pipeline.correct([self._commands.settle(account, corrections)])

    def lose(self, why: str) -> None:
        """Count alone from now on, until the server is back; `why` is for the operator."""
        if self.trouble is None:
            self.trouble = why
            self.outages += 1
            self._returning = True
            self._left_at = asyncio.get_running_loop().time()
            _log.error("limits are counted by each process alone", extra={"detail": why})
            self._wake.set()
        self.pipeline.close()

    async def _keep(self) -> None:
        """Report to the server that this process is alive; reconnect when it was lost."""
        pause = 0.0  # the first attempt comes at once: a server that was late is often back
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
            await self.pipeline.hear(_HEAR_SECONDS)
            if mark != self._mark:
                await self._restore(mark)
                if self._mark is not None:  # other processes know how other windows stood
                    await self._membership.assembled()
                self._mark = mark
            await self._repay()
        except (LinkError, TimeoutError) as error:
            self.trouble = str(error) or "the server does not answer"
            return
        except Exception as defect:  # the task must not end: nothing else reconnects
            _log.exception("a defect in counting")
            self.trouble = type(defect).__name__
            return
        _log.info("limits are counted on the server", extra={"processes": self._share.processes})
        self.trouble = None
        self._share.rejoin(self._clock())
        self.pipeline.open = True
        self.pipeline.resume()

    async def _try_again(self) -> None:
        """Raise LinkError while a server that refused to count still does."""
        refused = self.pipeline.refused
        if refused is not None:
            if asyncio.get_running_loop().time() < self._left_at + _REFUSED_SECONDS:
                await self._link.run([self._commands.nothing(refused)])
            self.pipeline.refused = None

    async def _beat(self) -> None:
        async def told() -> None:
            self._mark = await self._membership.register()
            await self._look()

        try:
            await within(_TOLD_SECONDS, told())
        except (LinkError, TimeoutError) as error:
            self.lose(str(error) or "the server does not answer")
        except Exception as defect:
            _log.exception("a defect in counting")
            self.lose(type(defect).__name__)

    async def _look(self) -> None:
        """Check every few seconds whether the server may forget what it counts."""
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        found = await self._link.caution()
        if found is not None and found != self.caution:
            detail = f"{found.what}. {found.fix}"
            _log.warning("limits may become inexact", extra={"detail": detail})
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
        while True:  # more may arrive meanwhile
            settled = self.pipeline.take_corrections()
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
        """Keep owing whatever is not known to have been charged."""
        now = self._clock()
        for owed, answer in zip_longest(debts, answers):
            if answer is None:
                self._share.owe([owed])
            elif owed[1] > 0:
                _, at, *level = answer
                back = self._share.paid(owed[0], Level(*level), now - at / 1e6)
                self.correct(owed[0].account, back)
