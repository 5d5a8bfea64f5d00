"""A server that has lost its counters is told how they stood, by each process that knows of any."""

from __future__ import annotations

import time
from itertools import permutations
from typing import Any
from uuid import uuid4

import pytest

import redisserver
from callgate.store.counters.link import Command
from callgate.store.counters.redis import RedisLink
from callgate.store.counters.scripts import BEAT, DRAW, RESTORE, SEED
from redisserver import RedisServer

NOW = time.time_ns() // 1000
BEGAN = NOW - 20_000_000
DAY = NOW - 7_200_000_000


class Window:
    """One of a server, empty at first."""

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._link = RedisLink(server.url)
        self._key = f"test:{uuid4()}"

    async def run(self, *commands: Command) -> list[Any]:
        await self._link.connect()
        try:
            return list(await self._link.run(commands))
        finally:
            await self._link.aclose()

    def restore(self, used: int, began: int = BEGAN, now: int = NOW) -> Command:
        return Command(RESTORE, (self._key,), (now, began, used, 0, "mark"))

    def restore_day(self, used: int, began: int = DAY, mark: str = "mark") -> Command:
        return Command(RESTORE, (self._key,), (NOW, began, used, 1, mark))

    def draw_day(self, amount: int, began: int = DAY) -> Command:
        return Command(DRAW, (self._key,), (NOW, 0, began, 2**53 - 1, amount))

    def seed_day(self, amount: int) -> Command:
        return Command(SEED, (self._key,), (0, DAY, amount, 0))

    def draw(self, amount: int, now: int = NOW) -> Command:
        return Command(DRAW, (self._key,), (now, 0, 0, 2**53 - 1, amount))

    def stands(self) -> tuple[int, int]:
        with self._server.client() as client:
            opened, used = client.hmget(self._key, "o", "u")
        return int(opened or 0), int(used or 0)


@pytest.fixture
def window(redis_server: RedisServer) -> Window:
    return Window(redis_server)


async def test_a_window_that_is_lost_is_there_again_until_it_ends(window: Window) -> None:
    await window.run(window.restore(8))
    assert window.stands() == (BEGAN, 8)
    await window.run(window.draw(1, BEGAN + 59_999_999))
    assert window.stands() == (BEGAN, 9)
    await window.run(window.draw(1, BEGAN + 60_000_000))
    assert window.stands() == (BEGAN + 60_000_000, 1)


@pytest.mark.parametrize("order", list(permutations(((8, 2), (11, 1), (9, 4)))), ids=str)
async def test_in_whichever_order_processes_come_back_it_stands_the_same(
    window: Window, order: tuple[tuple[int, int], ...]
) -> None:
    for known, alone in order:
        await window.run(window.restore(known), window.draw(alone))
    assert window.stands() == (BEGAN, 11 + 2 + 1 + 4)


async def test_what_was_counted_anew_before_anybody_knew_better_is_added(window: Window) -> None:
    await window.run(window.draw(3), window.restore(5), window.restore(5), window.restore(6))
    assert window.stands() == (BEGAN, 3 + 6)


async def test_a_window_that_was_kept_stays_as_it_is(window: Window) -> None:
    await window.run(window.draw(9, BEGAN), window.restore(9), window.restore(7))
    assert window.stands() == (BEGAN, 9)


@pytest.mark.parametrize("kept", [4, 10])
@pytest.mark.parametrize("order", list(permutations(((8, 2), (11, 1), (9, 4)))), ids=str)
async def test_a_window_of_which_a_replica_had_not_heard_the_last_is_brought_up_to_it(
    window: Window, kept: int, order: tuple[tuple[int, int], ...]
) -> None:
    await window.run(window.draw(kept, BEGAN))
    for known, alone in order:
        await window.run(window.restore(known), window.draw(alone))
    assert window.stands() == (BEGAN, 11 + 2 + 1 + 4)


async def test_a_window_that_is_over_is_not_brought_back(window: Window) -> None:
    await window.run(window.restore(5, now=BEGAN + 60_000_000))
    assert window.stands() == (0, 0)


async def test_what_was_told_of_one_window_says_nothing_of_the_next(window: Window) -> None:
    later = BEGAN + 60_000_000
    await window.run(window.restore(8), window.draw(1, later), window.restore(5, later, later + 1))
    assert window.stands() == (later, 5)


@pytest.mark.parametrize("order", list(permutations(((8, 2), (11, 1), (9, 4)))), ids=str)
@pytest.mark.parametrize("kept", [0, 4, 10])
async def test_a_budget_stands_the_same_in_whichever_order_processes_come_back(
    window: Window, kept: int, order: tuple[tuple[int, int], ...]
) -> None:
    if kept:
        await window.run(window.draw_day(kept), window.seed_day(0))
    for known, alone in order:
        await window.run(window.restore_day(known), window.draw_day(alone))
    assert window.stands() == (DAY, 11 + 2 + 1 + 4)


async def test_a_budget_that_is_restored_is_not_told_once_more_what_was_spent(
    window: Window,
) -> None:
    *_, seeded = await window.run(window.draw_day(3), window.restore_day(8), window.seed_day(8))
    assert (window.stands(), seeded) == ((DAY, 11), 0)


async def test_what_was_told_of_one_loss_says_nothing_of_the_next(window: Window) -> None:
    await window.run(window.restore_day(8), window.draw_day(20), window.restore_day(25, mark="b"))
    assert window.stands() == (DAY, 28)


async def test_a_day_that_is_over_takes_nothing_from_the_next(window: Window) -> None:
    await window.run(window.draw_day(3), window.restore_day(8, DAY - 1))
    assert window.stands() == (DAY, 3)
    await window.run(window.restore_day(8, DAY + 1))
    assert window.stands() == (DAY + 1, 8)


async def test_the_mark_is_the_same_for_all_until_the_server_has_lost_it(
    window: Window, redis_server: RedisServer
) -> None:
    keys = (f"test:{uuid4()}", f"test:{uuid4()}")
    beats = [Command(BEAT, keys, (name, 10_000)) for name in ("one", "two", "one")]
    (_, _, first), (_, _, second), (_, _, third) = await window.run(*beats)
    assert first == second == third
    with redis_server.client() as client:
        client.delete(keys[1])
    ((_, _, other),) = await window.run(beats[1])
    assert other != first


async def test_a_server_that_takes_over_has_another_mark(program: str) -> None:
    keys, marks, kept = ("test:a", "test:b"), [], b""
    for _ in range(2):
        with redisserver.running(program=program) as server, server.client() as client:
            if kept:
                client.restore(keys[1], 0, kept)
            window = Window(server)
            ((*_, mark), (*_, again)) = await window.run(
                *[Command(BEAT, keys, ("one", 10_000))] * 2
            )
            assert mark == again
            marks.append(mark)
            kept = client.dump(keys[1])
    assert marks[0] != marks[1]
    assert marks[0].split()[:2] == marks[1].split()[:2]
