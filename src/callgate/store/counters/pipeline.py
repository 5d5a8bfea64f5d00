"""What is asked of a server that counts: write after write, and how long each is waited for.

What is asked within one turn of the event loop goes out in one write, what is asked meanwhile with
the next. Nobody waits longer than `timeout` from when it was asked; an answer that comes later is
heard all the same.

It is the server that has to be in time, not this process. While writes are under way the time is
looked at once in a slot, a tenth of the bound. One that lasts for two tells that the process did
not run: what is waited for gets that time back, and a slot to hear the server in. Before an answer
counts as late, the loop is turned until all that had arrived is read (`waiting`).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from callgate.core.limits import Draw
from callgate.store.counters.late import Late
from callgate.store.counters.link import Command, Link, LinkError
from callgate.store.counters.waiting import SLOTS, TURNS, settled

_EXCUSES = 3  # lest nobody ever be late for a process that is always held up
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


class _Write:
    """What has been asked in one write. `ends` is when its answers are late, by the loop's time."""

    __slots__ = ("batch", "ends", "excuses")

    def __init__(self, batch: list[_Waiting], ends: float) -> None:
        self.batch = batch
        self.ends = ends
        self.excuses = _EXCUSES


class Pipeline:
    """Writes to `link`, a few of them under way at once.

    Nothing is written unless `open`. `lost` is told why, when an answer fails to come, and has to
    `close` the pipeline then. `heard` is given each reservation whose answer has come late.
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
        self.refused: Command | None = None  # a reservation that the server has refused to count
        self._link = link
        self._timeout = timeout
        self._slot = timeout / SLOTS
        self._lost = lost
        self._heard = heard
        self._waiting: list[_Waiting] = []
        self._asked_at = 0.0  # when the first of those that wait was asked
        self._in_flight: dict[asyncio.Task[None], _Write] = {}
        self._next: asyncio.TimerHandle | None = None  # look at the time, due at `_due`
        self._due = 0.0
        self._turning = False
        self._late: set[asyncio.Task[None]] = set()
        self._corrections: list[Command] = []
        self._scheduled = self._correcting = False

    @property
    def under_way(self) -> set[asyncio.Task[None]]:
        """The writes whose answers are not there."""
        return self._late.union(self._in_flight)

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
        writes = self.under_way
        if not await settled(writes, seconds):
            for task in writes:
                task.cancel()
            await asyncio.wait(writes)

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
            # From when the first of them was asked, however long others were under way before.
            begun = self._asked_at if batch else loop.time()
            task = asyncio.create_task(self._send(batch, corrections))
            self._in_flight[task] = write = _Write(batch, begun + self._timeout)
            task.add_done_callback(self._sent)
            if self._next is None:
                self._watch(begun)
            elif write.ends < self._due:
                self._watch(loop.time())

    def _sent(self, task: asyncio.Task[None]) -> None:
        self._in_flight.pop(task, None)
        self._late.discard(task)
        if self._waiting or self._corrections:
            self._schedule()

    async def _send(self, batch: list[_Waiting], corrections: list[Command]) -> None:
        answers: Sequence[Any] = ()
        try:
            answers = await self._link.run([*corrections, *(one.command for one in batch)])
        except LinkError as error:
            answers = error.answers
            asked = [at - len(corrections) for at in error.refused if at >= len(corrections)]
            self.refused = next((batch[at].command for at in asked if batch[at].draws), None)
            # One of a server that is full. Refused once more, it is dropped by whoever repays.
            again = [one for at, one in enumerate(corrections) if at in error.refused]
            self._corrections[:0] = again[: _MOST_SETTLED - len(self._corrections)]
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

    def _watch(self, since: float) -> None:
        """Look at the time in a slot, or when the first answer is late."""
        if self._next is not None:
            self._next.cancel()
        if self._turning:
            return
        ends = min((write.ends for write in self._in_flight.values()), default=since + self._slot)
        self._due = max(since, min(since + self._slot, ends))
        self._next = asyncio.get_running_loop().call_at(self._due, self._look)

    def _look(self) -> None:
        """Give back the time that this process has lost; see whether any answer is late."""
        self._next = None
        if not (self._in_flight or self._waiting):
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        lost = now - self._due
        if lost > self._slot:
            self._asked_at = min(self._asked_at + lost, now)
            for write in self._in_flight.values():
                if write.excuses:
                    write.excuses -= 1
                    ends = max(write.ends + lost, now + self._slot)
                    write.ends = min(ends, now + self._timeout)
        late = next((task for task, one in self._in_flight.items() if one.ends <= now), None)
        if late is None:
            self._watch(now)
        else:
            self._turning = True
            loop.call_soon(self._turn, late, TURNS)

    def _turn(self, task: asyncio.Task[None], turns: int) -> None:
        """Have the loop read what has arrived; what is not among it is late."""
        if turns and task in self._in_flight:
            asyncio.get_running_loop().call_soon(self._turn, task, turns - 1)
            return
        self._turning = False
        if write := self._in_flight.pop(task, None):
            self._late.add(task)
            self._lost(f"no answer within {self._timeout * 1000:g} ms")
            for one in write.batch:
                if not one.answer.done():
                    one.answer.set_result(Late(one.account, one.draws) if one.draws else None)
        self._watch(asyncio.get_running_loop().time())
