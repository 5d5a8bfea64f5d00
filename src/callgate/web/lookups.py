"""Look-ups of records: in threads of their own, few at once, so that callers of models notice none.

They block on a store and read files; a flood of them waits in a short queue and then at the door.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from callgate.errors import GatewayError

T = TypeVar("T")

_THREADS = 2
_WAITING = 64
_PER_ACCOUNT = 16
_PAUSE = 1.0


class Lookups:
    """The look-ups of one worker. One account cannot take all places; `close` ends the threads."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="look-up")
        self._begun: Counter[str] = Counter()

    async def run(self, account: str, work: Callable[[], T]) -> T:
        """What `work` gives, done in a thread. Raises GatewayError `overloaded` beyond the bound.

        A place is taken until the work has ended, even where its caller has left.
        """
        if self._begun[account] >= _PER_ACCOUNT or self._begun.total() >= _WAITING:
            raise GatewayError(
                "overloaded", "Too many look-ups are in progress", retry_after=_PAUSE
            )
        self._begun[account] += 1
        loop = asyncio.get_running_loop()

        def ended(_future: Future[T]) -> None:
            loop.call_soon_threadsafe(self._leave, account)

        future = self._threads.submit(work)
        future.add_done_callback(ended)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Let go of the threads; what they are doing is not waited for."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _leave(self, account: str) -> None:
        self._begun[account] -= 1
        if not self._begun[account]:
            del self._begun[account]
