"""The connection that a request came over, as far as the gate has to know of it."""

from __future__ import annotations

import asyncio
from typing import Any

from callgate.errors import GatewayError

CALLER = "callgate.caller"
"""Where a request's scope holds its `Caller`, if the server provides one."""


class Caller:
    """The tasks that work for one connection; they end when the caller hangs up."""

    __slots__ = ("_tasks", "gone")

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.gone = False

    def __enter__(self) -> Caller:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
        return self

    def __exit__(self, *_error: object) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.discard(task)

    def hang_up(self) -> None:
        """Cancel what is still being done for this caller."""
        self.gone = True
        for task in self._tasks:
            task.cancel()


def gone() -> GatewayError:
    """What is on record of a call whose caller did not wait for the answer."""
    return GatewayError("client_disconnected", "The caller closed the connection")
