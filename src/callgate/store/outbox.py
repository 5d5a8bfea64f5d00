"""What is asked of a server that counts: write after write, and how long each is waited for.

What is asked within one turn of the event loop goes out in one write, what is asked meanwhile with
the next. Nobody waits longer than `timeout` from when it was asked; an answer that comes later is
heard all the same.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from callgate.core.limits import Draw
from callgate.store.late import Late
from callgate.store.link import Command, Link, LinkError

_GRACE = 0.1
_IN_FLIGHT = 2
_SETTLE_SECONDS = 0.02
_MOST_SETTLED = 10_000
_BATCH = 500
_log = logging.getLogger("callgate.counters")


class _Waiting(NamedTuple):
    command: Command
    answer: asyncio.Future[Any]
    account: str
    draws: Sequence[Draw]


class Outbox:
    """Writes to `link`, a few of them under way at once.

    Nothing is written unless `open`. `lost` is told when an answer fails to come, and why; it is
    to close the box. `heard` is given each reservation whose answer has come late.
    """

    def __init__(
        self,
        link: Link,
        timeout: float,
        *,
        lost: Callable[[str], None],
        heard: Callable[[Late, Any], None],
    ) -> None:
        self.open = False
        self._link = link
        self._timeout = timeout
        self._lost = lost
        self._heard = heard
        self._waiting: list[_Waiting] = []
        self._asked_at = 0.0  # when the first of those that wait was asked
        self._in_flight: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None]] = set()
        self._corrections: list[Command] = []
        self._scheduled = self._correcting = False

    @property
    def under_way(self) -> set[asyncio.Task[None]]:
        """The writes whose answers are not there."""
        return self._in_flight | self._late

    @property
    def corrections(self) -> int:
        """How many corrections have not been written."""
        return len(self._corrections)

    def ask(
        self, command: Command, account: str = "", draws: Sequence[Draw] = ()
    ) -> asyncio.Future[Any]:
        """What the command says; None where it was not asked, or nobody knows whether it was done.

        A reservation of `draws` of `account` that is still under way gives `Late`.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Any] = loop.create_future()
        if self.open:
            if not self._waiting:
                self._asked_at = loop.time()
            self._waiting.append(_Waiting(command, answer, account, draws))
            self._schedule()
        else:
            answer.set_result(None)
        return answer

    def correct(self, commands: Sequence[Command]) -> None:
        """Write these with the next reservations, or by themselves where none come.

        Beyond some thousands they are dropped: what was reserved stands.
        """
        room = _MOST_SETTLED - len(self._corrections)
        self._corrections += commands[:room]
        self.resume()

    def resume(self) -> None:
        """See to it that what is left is written."""
        if self.open and self._corrections and not self._correcting:
            self._correcting = True
            asyncio.get_running_loop().call_later(_SETTLE_SECONDS, self._schedule)

    def take_corrections(self) -> list[Command]:
        """Some corrections, for whoever writes them now."""
        taken, self._corrections = self._corrections[:_BATCH], self._corrections[_BATCH:]
        return taken

    def close(self) -> None:
        """Write nothing more. Who waits for a write that has not begun waits no longer."""
        self.open = False
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.answer.done():
                one.answer.set_result(None)

    async def hear(self, seconds: float) -> None:
        """Wait for the answers that are under way; after that nobody knows what they were."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while writes := self.under_way:
            left = ends - loop.time()
            if left <= 0:
                for task in writes:
                    task.cancel()
            await asyncio.wait(writes, timeout=left if left > 0 else None)

    def _schedule(self) -> None:
        if self.open and not self._scheduled and len(self._in_flight) < _IN_FLIGHT:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._flush)
        elif not self._scheduled:
            self._correcting = False

    def _flush(self) -> None:
        self._scheduled = self._correcting = False
        if not self.open:
            return
        batch, self._waiting = self._waiting, []
        corrections = self.take_corrections()
        if batch or corrections:
            loop = asyncio.get_running_loop()
            task = asyncio.create_task(self._send(batch, corrections))
            self._in_flight.add(task)
            task.add_done_callback(self._sent)
            # From when the first of them was asked, however long others were under way before.
            begun = self._asked_at if batch else loop.time()
            loop.call_at(begun + self._timeout * (1 - _GRACE), self._overdue, task, batch, True)

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._in_flight.discard(task)
        self._late.discard(task)
        if self._waiting or self._corrections:
            self._schedule()

    async def _send(self, batch: list[_Waiting], corrections: list[Command]) -> None:
        answers: Sequence[Any] = ()
        try:
            answers = await self._link.run([*corrections, *(one.command for one in batch)])
        except LinkError as error:
            answers = error.answers
            self._lost(str(error))
        except Exception as defect:
            _log.exception("a defect in counting")
            self._lost(type(defect).__name__)
        finally:
            said = answers[len(corrections) :] or [None] * len(batch)
            for one, answer in zip(batch, said, strict=True):
                self._answered(one, answer)

    def _answered(self, one: _Waiting, answer: Any) -> None:
        if not one.answer.done():
            one.answer.set_result(answer)
        elif answer is not None and not one.answer.cancelled():
            late = one.answer.result()
            if isinstance(late, Late):
                self._heard(late, answer)

    def _overdue(self, task: asyncio.Task[None], batch: list[_Waiting], first: bool) -> None:
        """The bound is over. Where this process itself was held up, the answer may be there."""
        if task.done():
            return
        if first:
            wait = self._timeout * _GRACE
            asyncio.get_running_loop().call_later(wait, self._overdue, task, batch, False)
            return
        self._in_flight.discard(task)
        self._late.add(task)
        self._lost(f"no answer within {self._timeout * 1000:g} ms")
        for one in batch:
            if not one.answer.done():
                one.answer.set_result(Late(one.account, one.draws) if one.draws else None)
