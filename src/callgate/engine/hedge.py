"""Hedging: if the first target is slow a second one is asked, and the first answer counts.

After Dean and Barroso, "The Tail at Scale" (https://doi.org/10.1145/2408776.2408794): the second
request is sent only once the first has taken longer than 95 % of requests do, so it adds 5 % to the
load and cuts off the long tail.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Generic, TypeVar

from callgate.core.target import Target
from callgate.engine.call import Call
from callgate.errors import GatewayError

T = TypeVar("T")

SHARE = 0.95
HEDGED = "hedged: "
"""What the note on a hedged call begins with."""
_OF_THE_WINNER = ("usage", "finish_reason", "native_finish_reason", "first_token_ns")


class Runner(Generic[T]):
    """One of the two attempts in a race, and its outcome.

    `result` holds the answer once it has come, at `ended` (ns); `error` says why there is none.
    """

    __slots__ = ("_go", "_kept", "ended", "error", "result", "target", "task")

    def __init__(self, target: Target, go: Callable[[], Awaitable[T]]) -> None:
        self.target = target
        self._go = go
        self.task: asyncio.Task[None] | None = None
        self.result: list[T] = []
        self.error: BaseException | None = None
        self.ended: int | None = None
        self._kept: dict[str, Any] = {}

    def start(self, call: Call) -> asyncio.Task[None]:
        """Start the attempt in a task of its own, which stores a failure instead of raising it."""
        self.task = asyncio.create_task(self._run(call))
        return self.task

    async def _run(self, call: Call) -> None:
        try:
            answer = await self._go()
            self.ended = time.perf_counter_ns()
            self.result.append(answer)
            self._keep(call)
        except Exception as error:
            self.error = error
            self._keep(call)
        except asyncio.CancelledError as gone:
            self.error = gone
            raise

    def _keep(self, call: Call) -> None:
        self._kept = {name: getattr(call, name) for name in _OF_THE_WINNER}

    def restore(self, call: Call) -> None:
        """Restore the call to what this runner left, undoing what the other has changed since."""
        for name, value in self._kept.items():
            setattr(call, name, value)

    async def stop(self) -> None:
        """Cancel the attempt, or close an answer that is no longer wanted; may be repeated."""
        task = self.task
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        while self.result:
            late = self.result.pop()
            if isinstance(late, AbstractContextManager):
                gone = asyncio.CancelledError()
                late.__exit__(type(gone), gone, None)


class Race(Generic[T]):
    """One attempt, and a second one at another target unless the first ends within `delay` s.

    `rival` provides the second when it is time, or None if there is no other target; `final` says
    that no other target can help with a failure of the first. After `run`, `winner` is the one
    whose answer was taken, and `broken_off` the one that was still running then.
    """

    def __init__(
        self,
        call: Call,
        first: Runner[T],
        delay: float,
        rival: Callable[[], Awaitable[Runner[T] | None]],
        final: Callable[[GatewayError], bool],
    ) -> None:
        self._call = call
        self._delay = delay
        self._rival = rival
        self._final = final
        self._mark = len(call.attempts)
        self.first = first
        self.second: Runner[T] | None = None
        self.winner: Runner[T] | None = None
        self.broken_off: Runner[T] | None = None

    async def run(self) -> T:
        """The answer that came first. If both fail, raises the first attempt's error."""
        call, first = self._call, self.first
        before, started = call.upstream_ns, time.perf_counter_ns()
        try:
            await asyncio.wait([first.start(call)], timeout=self._delay)
            if not _ended(first):
                self.second = await self._rival()
                if self.second is not None:
                    self.second.start(call)
            while (winner := self._decided()) is None:
                await asyncio.wait(
                    [one.task for one in self._runners() if one.task and not one.task.done()],
                    return_when=asyncio.FIRST_COMPLETED,
                )
            self.broken_off = next((one for one in self._runners() if not _ended(one)), None)
            for one in self._runners():
                if one is not winner:
                    await one.stop()
        except BaseException:  # the caller left
            for one in self._runners():
                await one.stop()
            self._count_once(before, started, time.perf_counter_ns())
            raise
        self._count_once(before, started, winner.ended or time.perf_counter_ns())
        call.target = winner.target
        winner.restore(call)
        self._put_last(winner)
        if not winner.result:
            assert winner.error is not None
            self._tell(winner, "failed for good")
            raise winner.error
        self.winner = winner
        self._tell(winner, "answered first")
        return winner.result[0]

    def _count_once(self, before: int, started: int, ended: int) -> None:
        """Count the time until `ended` only once, although both ran in it."""
        self._call.upstream_ns = before + ended - started
        self._call.upstream_until = ended

    def unheard(self) -> Iterator[tuple[GatewayError, Target]]:
        """The provider's failures that `run` did not raise."""
        told = self.first if self.winner is None else None
        for one in self._runners():
            if one is not told and isinstance(one.error, GatewayError):
                yield one.error, one.target

    def _runners(self) -> list[Runner[T]]:
        return [self.first] if self.second is None else [self.first, self.second]

    def _decided(self) -> Runner[T] | None:
        """The runner that decides the race, once it is decided; if both failed, the first."""
        first, second = self.first, self.second
        if first.result or second is None:
            return first if _ended(first) else None
        if second.result:
            return second
        error = first.error
        if error is not None and (
            second.error is not None or not isinstance(error, GatewayError) or self._final(error)
        ):
            return first
        return None

    def _put_last(self, runner: Runner[T]) -> None:
        """The last attempt of a call is the one that decided; no two runners share a deployment."""
        attempts, since = self._call.attempts, self._call.attempts[self._mark :]
        since.sort(key=lambda one: one.deployment == runner.target.deployment.id)
        attempts[self._mark :] = since

    def _tell(self, decider: Runner[T], why: str) -> None:
        """Note on the other's attempts why their outcome no longer mattered."""
        if self.second is None:
            return
        decided = decider.target.deployment.id
        for attempt in self._call.attempts[self._mark :]:
            if attempt.deployment == decided:
                continue
            broken_off = attempt.error in (None, "client_disconnected")
            if broken_off:
                attempt.error = attempt.message = None
            if broken_off or decider.result:
                attempt.decision, attempt.reason = "lost the race", f"{decided} {why}"
            else:
                attempt.decision, attempt.reason = "leave it to the other", f"{decided} was asked"


def _ended(runner: Runner[T]) -> bool:
    return bool(runner.result) or runner.error is not None
