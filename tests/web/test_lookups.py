"""The bound on look-ups: threads of their own, places per account, room for other accounts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from callgate.errors import GatewayError
from callgate.web.lookups import Lookups
from patience import PATIENCE


@pytest.fixture
def lookups() -> Iterator[Lookups]:
    with closing(Lookups()) as made:
        yield made


async def test_it_gives_what_the_work_gives_and_raises_what_it_raises(lookups: Lookups) -> None:
    assert await lookups.run("a", lambda: 5) == 5

    def fail() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await lookups.run("a", fail)


async def test_one_account_cannot_take_all_places(lookups: Lookups) -> None:
    go_on = threading.Event()
    begun = [asyncio.create_task(lookups.run("greedy", go_on.wait)) for _ in range(16)]
    await asyncio.sleep(0)
    with pytest.raises(GatewayError, match="Too many look-ups") as told:
        await lookups.run("greedy", go_on.wait)
    assert (told.value.kind.type, told.value.retry_after) == ("overloaded", 1.0)
    other = asyncio.create_task(lookups.run("other", lambda: "served"))
    go_on.set()
    assert await other == "served"
    assert await asyncio.gather(*begun) == [True] * 16
    assert await lookups.run("greedy", lambda: "again") == "again"


async def test_at_most_two_run_at_once_also_when_their_callers_leave(lookups: Lookups) -> None:
    go_on, running, most = threading.Event(), [0], [0]
    lock = threading.Lock()

    def work() -> None:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        go_on.wait(PATIENCE)
        with lock:
            running[0] -= 1

    left = [asyncio.create_task(lookups.run("a", work)) for _ in range(6)]
    while running[0] < 2:
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)  # for more than may run
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    later = asyncio.create_task(lookups.run("b", work))
    await asyncio.sleep(0.05)
    go_on.set()
    await later
    assert most[0] == 2
