"""A real server whose answers, or questions, are held back: what is admitted, and what is counted.

Nothing here hangs on how fast the machine is: a test lets go of what is held when it has seen what
it waits for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from callgate.core.limits import Draw, Period
from callgate.core.quota import Correction, Quota
from callgate.store.counters.redis import key_of
from callgate.store.counters.remote import RemoteCounters
from patience import PATIENCE
from redisserver import RedisServer
from store.conftest import remote
from store.proxied import Proxy, proxied

LIMIT = 12


class Pair:
    """Two processes on one server: the answers to `slow` can be held, `other` is never late."""

    def __init__(self, server: RedisServer, proxy: Proxy, prefix: str) -> None:
        self.proxy = proxy
        self.prefix = prefix
        self.slow = remote(proxy.url, prefix=prefix, timeout=0.05)
        self.other = remote(server.url, prefix=prefix, timeout=PATIENCE)
        self._server = server

    async def asked(self, counters: RemoteCounters, times: int) -> list[Quota]:
        now = time.time()
        return await asyncio.gather(
            *(counters.reserve("acme", "m", LIMIT, now) for _ in range(times))
        )

    def counted(self, name: str = "m") -> int:
        """What the server has counted."""
        with self._server.client() as client:
            return int(client.hget(key_of(self.prefix, "acme", name), "u") or 0)

    async def exact(self) -> None:
        """Wait until the slow one counts on the server, and has told it all."""
        async with asyncio.timeout(PATIENCE):
            while self.slow.trouble is not None or self.slow._pipeline.corrections:
                await asyncio.sleep(0.005)
            # Corrections that have gone out are answered before what is asked after them.
            while not (await self.slow.peek("acme", "m", LIMIT, time.time())).exact:
                await asyncio.sleep(0.005)


@pytest.fixture
async def pair(redis_server: RedisServer) -> AsyncIterator[Pair]:
    async with proxied(redis_server) as proxy:
        both = Pair(redis_server, proxy, f"test:{uuid4()}")
        await both.other.start()
        await both.slow.start()
        await both.other._session._membership.register()
        await both.exact()
        yield both
        proxy.asking.set()
        proxy.answering.set()
        for one in (both.slow, both.other):
            await one.stop()
            one.close()


@asynccontextmanager
async def held(pair: Pair, way: asyncio.Event) -> AsyncIterator[None]:
    """A way is shut; what was held goes on afterwards, and then all is settled."""
    way.clear()
    pair.proxy.held.clear()
    yield
    way.set()
    await pair.exact()


def places(*answers: list[Quota]) -> int:
    return sum(one.admitted for some in answers for one in some)


@pytest.mark.parametrize("way", ["asking", "answering"])
async def test_what_was_asked_before_the_server_was_late_is_counted_once(
    pair: Pair, way: str
) -> None:
    async with held(pair, getattr(pair.proxy, way)):
        first = await pair.asked(pair.slow, 5)
        after = await pair.asked(pair.slow, 5)
        assert not any(one.exact for one in first + after)
        assert places(first, after) == LIMIT // 2  # its share of a window that it knows nothing of
        assert pair.slow.outages == 1
    assert pair.counted() == LIMIT // 2
    rest = await pair.asked(pair.other, LIMIT)
    assert places(rest) == LIMIT - LIMIT // 2


@pytest.mark.parametrize(("way", "total"), [("asking", LIMIT + 2), ("answering", LIMIT - 2)])
async def test_above_a_limit_is_no_more_than_its_share_of_what_it_knew_to_be_left(
    pair: Pair, way: str, total: int
) -> None:
    before = await pair.asked(pair.slow, LIMIT - 4)
    assert places(before) == LIMIT - 4
    async with held(pair, getattr(pair.proxy, way)):
        alone = await pair.asked(pair.slow, 6)
        # Meanwhile the other one takes what the server has left: all, or what it has not counted
        # for the first, of which that gives back what it has not admitted.
        taken = await pair.asked(pair.other, LIMIT)
        assert not any(one.exact for one in alone)
        assert places(alone) == 2  # half of four
    assert places(before, alone, taken) == pair.counted() == total
    again = await pair.asked(pair.slow, 3)
    assert all(one.exact for one in again)
    assert places(again) == max(0, LIMIT - total)


async def test_a_window_that_it_knew_to_be_used_up_stays_so(pair: Pair) -> None:
    await pair.asked(pair.other, LIMIT)
    assert places(await pair.asked(pair.slow, 1)) == 0
    async with held(pair, pair.proxy.answering):
        assert places(await pair.asked(pair.slow, 5)) == 0
    assert pair.counted() == LIMIT


@pytest.mark.parametrize("way", ["asking", "answering"])
async def test_of_a_connection_that_was_cut_nothing_is_ever_given_twice(
    pair: Pair, way: str
) -> None:
    getattr(pair.proxy, way).clear()
    asking = asyncio.create_task(pair.asked(pair.slow, 4))
    async with asyncio.timeout(PATIENCE):
        await pair.proxy.held.wait()
    pair.proxy.cut()
    getattr(pair.proxy, way).set()
    admitted = places(await asking)
    await pair.exact()
    # Whether the answers or the questions were lost, nobody knows; a place may be lost by it.
    assert admitted <= pair.counted() <= admitted + 4
    rest = await pair.asked(pair.other, LIMIT)
    assert admitted + places(rest) <= LIMIT


async def test_tokens_are_settled_where_they_were_counted_in_the_end(pair: Pair) -> None:
    tokens = Draw("tokens", 10_000, 600)
    async with held(pair, pair.proxy.answering):
        drawn = [await pair.slow.draw("acme", [tokens], time.time()) for _ in range(2)]
        assert [one.exact for one in drawn] == [False, False]
        early, late = drawn
        unused = Correction("tokens", Period.WINDOW, early.levels[0].opened, -500)
        pair.slow.settle("acme", [unused], time.time(), of=early)
    assert pair.counted("tokens") == 100 + 600
    unused = Correction("tokens", Period.WINDOW, late.levels[0].opened, -200)
    pair.slow.settle("acme", [unused], time.time(), of=late)
    await pair.exact()
    async with asyncio.timeout(PATIENCE):
        while pair.counted("tokens") != 100 + 400:
            await asyncio.sleep(0.005)


async def test_a_server_that_was_late_once_is_back_as_soon_as_it_answers(pair: Pair) -> None:
    async with held(pair, pair.proxy.answering):
        await pair.asked(pair.slow, 1)
        assert pair.slow.trouble is not None
        async with asyncio.timeout(PATIENCE):  # it tries at once, and waits for the answer
            while pair.proxy.connections < 2:
                await asyncio.sleep(0.005)
    assert pair.slow.outages == 1
    assert (await pair.asked(pair.slow, 1))[0].exact
