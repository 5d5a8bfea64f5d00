"""How many requests a worker serves at once, and the queue of those that wait for a place."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from time import monotonic

from callgate.errors import GatewayError

_LEAST_WAIT = 1.0


class Queue:
    """`places` requests at once; up to `length` more wait, in order, for `seconds` at most.

    While there is a free place, a request just adds one to `taken`; otherwise it waits in `enter`.
    `leave` hands its place to the first in the queue, so that nobody is overtaken. For one event
    loop.
    """

    __slots__ = ("_length", "_line", "_seconds", "places", "taken")

    def __init__(self, places: int, length: int, seconds: float) -> None:
        self.places = places
        self.taken = 0
        self._length = length
        self._seconds = seconds
        self._line: OrderedDict[asyncio.Future[None], float] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many are queued."""
        return len(self._line)

    def check(self) -> None:
        """Raise GatewayError `overloaded` if the queue is full."""
        if self.taken >= self.places and len(self._line) >= self._length:
            raise self._refusal(f"{self.taken} requests are in progress")

    async def enter(self) -> None:
        """Take a place as soon as there is one.

        Raises GatewayError `overloaded` if the queue is full or the wait too long.
        """
        if self.taken < self.places:
            self.taken += 1
            return
        self.check()
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line[turn] = monotonic()
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            self._line.pop(turn, None)
            if turn.done() and not turn.cancelled():  # it was given a place at the same moment
                self.leave()
            if isinstance(error, TimeoutError):
                raise self._refusal(f"No place was free within {self._seconds:g} s") from None
            raise

    def leave(self) -> None:
        """Give a place back."""
        while self._line:
            turn, _ = self._line.popitem(last=False)
            if not turn.done():  # else that request has just ended
                turn.set_result(None)
                return
        self.taken -= 1

    def _refusal(self, why: str) -> GatewayError:
        """The error; its `retry_after` is how long the first in the queue has been waiting."""
        wait = _LEAST_WAIT
        if self._line:
            wait = max(wait, monotonic() - next(iter(self._line.values())))
        return GatewayError(
            "overloaded",
            f"{why}, {len(self._line)} are waiting",
            retry_after=min(wait, self._seconds),
        )
