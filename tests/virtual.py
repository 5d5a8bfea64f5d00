"""An event loop whose time leaps to the next timer: no machine is too slow for it."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


class _Leaping(selectors.DefaultSelector):
    """Waits for nothing but tells how long it would have waited."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> Any:
        events = super().select(0)
        if not events:
            assert timeout is not None, "everything waits for something that never comes"
            self.waited += max(timeout, 0.0)
        return events


class VirtualLoop(asyncio.SelectorEventLoop):
    """Time in seconds since the loop began, plus a million."""

    def __init__(self) -> None:
        self._leaping = _Leaping()
        super().__init__(self._leaping)

    def time(self) -> float:
        return 1e6 + self._leaping.waited


def stall(seconds: float) -> None:
    """This process does not run for so long: time passes, and nothing happens here."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    loop._leaping.waited += seconds


def run(main: Coroutine[Any, Any, Result]) -> Result:
    """`asyncio.run` in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
