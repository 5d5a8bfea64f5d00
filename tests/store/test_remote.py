"""Counters on a real server: many processes' one clock, one write for many, and life without it."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from math import inf
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import uvloop

import redisserver
from callgate.core.limits import Draw, Level, Period, beginning
from callgate.core.quota import Correction
from callgate.readiness import counters_check
from callgate.store.counters.link import Command
from callgate.store.counters.redis import RedisLink
from callgate.store.counters.remote import RemoteCounters
from callgate.store.counters.roster import Roster
from patience import PATIENCE, best_of
from redisserver import RedisServer
from store.conftest import back, remote


class CountingLink(RedisLink):
    """Counts how often it is gone to the server, and how often connected."""

    trips = connections = 0

    async def connect(self) -> None:
        self.connections += 1
        await super().connect()

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        self.trips += 1
        return await super().run(commands)


@asynccontextmanager
async def started(server: str | RedisLink, **options: Any) -> AsyncIterator[RemoteCounters]:
    counters = remote(server, **{"timeout": PATIENCE, **options})
    await counters.start()
    try:
        yield counters
    finally:
        await counters.stop()
        counters.close()


@pytest.fixture
def own_server(program: str) -> Iterator[RedisServer]:
    """A server that a test may kill."""
    with redisserver.running(program=program) as server:
        yield server


async def exact(counters: RemoteCounters) -> None:
    """Wait until a request is counted by the server."""
    async with asyncio.timeout(PATIENCE):
        while not (await counters.reserve("acme", "m", 100, time.time())).exact:
            await back(counters)


async def test_what_is_asked_at_once_goes_out_at_once(redis_server: RedisServer) -> None:
    link = CountingLink(redis_server.url)
    counters = remote(link, timeout=PATIENCE)
    await counters.start()
    link.trips = 0
    asked = (counters.reserve(f"a{n % 7}", "m", 20, time.time()) for n in range(200))
    quotas = await asyncio.gather(*asked)
    assert link.trips == 1
    assert sum(quota.admitted for quota in quotas) == 7 * 20
    await counters.stop()


async def test_what_a_caller_drew_who_left_meanwhile_is_given_back(
    redis_server: RedisServer,
) -> None:
    async with started(redis_server.url) as counters:
        day = beginning(Period.DAY, time.time_ns() // 1000)
        draws = [Draw("m", 30, 1), Draw("\tspend", 1000, 400, Period.DAY, day)]
        left = asyncio.create_task(counters.draw("acme", draws, time.time()))
        while not counters._pipeline.under_way:
            await asyncio.sleep(0)
        left.cancel()
        with pytest.raises(asyncio.CancelledError):
            await left
        async with asyncio.timeout(PATIENCE):
            while counters._pipeline.under_way or counters._pipeline.corrections:
                await asyncio.sleep(0.005)
        nothing = [Draw("m", 30, 0), draws[1].replace(amount=0)]
        asked, spent = (await counters.draw("acme", nothing, time.time())).levels
        assert (asked.used, spent.used) == (1, 0)


async def test_gateways_whose_clocks_differ_share_the_servers(redis_server: RedisServer) -> None:
    prefix = f"test:{uuid4()}"
    async with (
        started(redis_server.url, prefix=prefix) as early,
        started(redis_server.url, prefix=prefix) as late,
    ):
        now = time.time()
        first = await early.reserve("acme", "m", 3, now - 3600)
        second = await late.reserve("acme", "m", 3, now + 3600)
    assert (first.remaining, second.remaining) == (2, 1)
    assert first.reset == pytest.approx(now - 3600 + 60, abs=0.01)
    assert second.reset == pytest.approx(now + 3600 + 60, abs=1)


async def test_a_server_that_has_lost_the_scripts_is_given_them_again(
    redis_server: RedisServer,
) -> None:
    async with started(redis_server.url) as counters:
        await counters.reserve("acme", "m", 5, time.time())
        with redis_server.client() as client:
            client.script_flush()
        quotas = await asyncio.gather(
            *(counters.reserve("acme", "m", 5, time.time()) for _ in range(10))
        )
        assert [quota.remaining for quota in quotas if quota.admitted] == [3, 2, 1, 0]
        assert all(quota.exact for quota in quotas)
        assert counters.outages == 0


async def test_limits_go_on_by_share_while_the_server_is_away_and_are_exact_again_after(
    own_server: RedisServer,
) -> None:
    prefix = f"test:{uuid4()}"
    async with (
        started(own_server.url, prefix=prefix) as one,
        started(own_server.url, prefix=prefix) as two,
    ):
        await one._session._membership.register()  # now that both are there
        told = [await each.reserve("acme", "m", 11, time.time()) for each in (one, two)]
        assert all(quota.exact for quota in told)
        await one.peek("acme", "m", 11, time.time())  # so that both know what is left
        own_server.kill()
        waits, admitted = [], [0, 0]
        for at, counters in enumerate((one, two)):
            for _ in range(20):
                begun = time.perf_counter()
                quota = await counters.reserve("acme", "m", 11, time.time())
                waits.append(time.perf_counter() - begun)
                assert not quota.exact
                admitted[at] += quota.admitted
        assert sum(admitted) == 11 - len(told)  # shares add up to what was left
        assert abs(admitted[0] - admitted[1]) == 1
        assert sorted(waits)[len(waits) // 2] < 0.02  # nobody waits after the first
        assert one.trouble is not None
        assert str(own_server.socket) in one.trouble
        assert one.outages == 1

        own_server.start()
        await back(one)
        await back(two)
        # It has lost the window, and is told how that stood, and what was used meanwhile.
        quota = await one.reserve("acme", "m", 11, time.time())
        assert (quota.admitted, quota.remaining, quota.exact) == (False, 0, True)
        asked = [each.reserve("acme", "n", 30, time.time()) for each in (one, two) * 40]
        quotas = await asyncio.gather(*asked)
        assert sorted(quota.remaining for quota in quotas if quota.admitted) == list(range(30))


async def test_a_server_that_hangs_is_waited_for_50_ms_by_one_and_by_nobody_after(
    own_server: RedisServer,
) -> None:
    async with started(own_server.url, timeout=0.05) as counters:
        assert own_server._process is not None
        first, after = inf, inf  # the best of several, as the machine may be busy
        for _ in range(10):
            await exact(counters)
            os.kill(own_server._process.pid, signal.SIGSTOP)
            try:
                begun = time.perf_counter()
                quota = await counters.reserve("acme", "m", 100, time.time())
                first = min(first, time.perf_counter() - begun)
                assert not quota.exact
                for _ in range(5):
                    begun = time.perf_counter()
                    await counters.reserve("acme", "m", 100, time.time())
                    after = min(after, time.perf_counter() - begun)
            finally:
                os.kill(own_server._process.pid, signal.SIGCONT)
            if first < 0.5 and after < 0.02:
                break
        assert 0.045 < first < 0.5
        assert after < 0.02
        await exact(counters)


@best_of(5)
@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_a_process_that_was_held_up_hears_what_the_server_has_said_meanwhile(
    redis_server: RedisServer, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def held_up() -> None:
        async with started(redis_server.url, timeout=0.05) as counters:
            for before in range(4):  # turns of the loop: before the write, and after it
                asked = asyncio.create_task(counters.reserve("acme", "m", 9, time.time()))
                for _ in range(before):
                    await asyncio.sleep(0)
                for seconds in (0.07, 0.01, 0.01, 0.01):  # the loop is to stand still
                    time.sleep(seconds)
                    await asyncio.sleep(0)
                assert (await asked).exact
            assert counters.outages == 0

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(held_up())


async def test_while_the_servers_memory_is_full_limits_go_on_by_share_and_are_exact_again_after(
    own_server: RedisServer,
) -> None:
    link = CountingLink(own_server.url)
    async with started(link) as counters:
        assert (await counters.reserve("acme", "m", 9, time.time())).exact
        tokens = Draw("tokens", 1000, 100)
        drawn = await counters.draw("acme", [tokens], time.time())
        with own_server.client() as client:
            client.config_set("maxmemory", 1)
            unused = Correction("tokens", Period.WINDOW, drawn.levels[0].opened, -40)
            counters.settle("acme", [unused], time.time(), of=drawn)
            quotas = [await counters.reserve("acme", "m", 9, time.time()) for _ in range(3)]
            assert all(quota.admitted and not quota.exact for quota in quotas)
            async with asyncio.timeout(PATIENCE):
                while link.connections < 4:  # it answers, and yet is not back
                    await asyncio.sleep(0.01)
            assert "'maxmemory'" in (counters.trouble or "")
            assert counters.outages == 1
            client.config_set("maxmemory", 0)
        await back(counters)
        quota = await counters.reserve("acme", "m", 9, time.time())
        assert (quota.exact, quota.remaining) == (True, 9 - 5)
        # What the server has refused to take back, it is told again.
        (level,) = (await counters.draw("acme", [tokens.replace(amount=0)], time.time())).levels
        assert level.used == 60


async def test_a_server_that_may_drop_counters_is_found_out_and_told_until_it_no_longer_may(
    own_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with started(own_server.url) as counters:
        assert counters_check(counters)().state == "ok"
        with own_server.client() as client:
            client.config_set("maxmemory", 1 << 30)
            client.config_set("maxmemory-policy", "volatile-lru")
            for _ in range(2):
                counters._session._look_at = 0
                await counters._session._beat()
            finding = counters_check(counters)()
            assert (finding.part, finding.state) == ("counters", "degraded")
            assert "volatile-lru" in finding.why
            assert [one.levelname for one in caplog.records if one.name == "callgate.counters"] == [
                "WARNING"
            ]
            assert (await counters.reserve("acme", "m", 9, time.time())).exact
            client.config_set("maxmemory-policy", "noeviction")
        counters._session._look_at = 0
        await counters._session._beat()
        assert counters_check(counters)().state == "ok"


async def test_a_window_that_is_used_up_stays_so_while_the_server_is_away(
    own_server: RedisServer,
) -> None:
    async with started(own_server.url) as counters:
        now = time.time()
        assert (await counters.reserve("acme", "m", 1, now)).admitted
        own_server.kill()
        assert not (await counters.reserve("acme", "m", 1, now)).exact
        assert not (await counters.reserve("acme", "m", 1, now + 59)).admitted
        assert (await counters.reserve("acme", "m", 2, now)).admitted  # a key with a limit of 2
        assert (await counters.reserve("acme", "m", 1, now + 61)).admitted


async def test_a_budget_that_is_spent_stays_spent_while_the_server_is_away(
    own_server: RedisServer,
) -> None:
    today = beginning(Period.DAY, time.time_ns() // 1000)
    spend = Draw("spend", 1000, 600, Period.DAY, today)
    async with started(own_server.url) as counters:
        grant = await counters.draw("acme", [spend], time.time())
        assert (grant.refused, grant.exact) == (None, True)
        own_server.kill()
        grant = await counters.draw("acme", [spend], time.time())
        assert (grant.refused, grant.exact) == (0, False)
        small = await counters.draw("acme", [spend.replace(amount=300)], time.time())
        assert small.refused is None
        settled = Correction("spend", Period.DAY, small.levels[0].opened, -100)
        counters.settle("acme", [settled], time.time(), of=small)
        own_server.start()
        await back(counters)
        # The server has lost what it knew; it is told that, and what was spent meanwhile.
        grant = await counters.draw("acme", [spend.replace(amount=0)], time.time())
        assert grant.levels[0] == Level(today, 800)


async def test_what_turns_out_while_the_server_is_away_is_corrected_once(
    own_server: RedisServer,
) -> None:
    today = beginning(Period.DAY, time.time_ns() // 1000)
    draws = [Draw("tokens", 1000, 600), Draw("spend", 1000, 600, Period.DAY, today)]
    async with started(own_server.url) as counters:
        grant = await counters.draw("acme", draws, time.time())
        own_server.kill()
        assert not (await counters.draw("acme", draws, time.time())).exact
        used = [
            Correction(draw.name, draw.period, level.opened, -250)
            for draw, level in zip(draws, grant.levels, strict=True)
        ]
        counters.settle("acme", used, time.time(), of=grant)
        own_server.start()
        await back(counters)
        levels = await counters.levels("acme", draws, time.time())
        assert [level.used for level in levels] == [350, 350]


async def test_a_server_that_was_flushed_counts_anew(own_server: RedisServer) -> None:
    async with started(own_server.url) as counters:
        assert (await counters.reserve("acme", "m", 9, time.time())).remaining == 8
        with own_server.client() as client:
            client.flushall()
        await counters._session._beat()
        counters._session.lose("as if the server had gone")
        await back(counters)
        quota = await counters.reserve("acme", "m", 9, time.time())
        assert (quota.remaining, quota.exact) == (8, True)


async def test_a_server_that_was_started_anew_makes_no_share_larger(
    own_server: RedisServer,
) -> None:
    prefix = f"test:{uuid4()}"
    async with (
        started(own_server.url, prefix=prefix) as first,
        started(own_server.url, prefix=prefix) as second,
    ):
        await first._session._membership.register()
        own_server.kill()
        for one in (first, second):
            assert not (await one.reserve("acme", "m", 5, time.time())).exact
        own_server.start()
        # The first to be back finds itself alone; the server may go again before all are.
        for one in (first, second):
            await back(one)
            assert one._share.processes == 2
        assert {first._share.of(3), second._share.of(3)} == {1, 2}


async def test_who_starts_while_the_server_is_away_takes_the_share_of_one(
    own_server: RedisServer, tmp_path: Path
) -> None:
    prefix, roster = f"test:{uuid4()}", Roster(tmp_path / "data" / "processes")
    async with started(own_server.url, prefix=prefix), started(own_server.url, prefix=prefix):
        async with started(own_server.url, prefix=prefix, roster=roster) as third:
            assert third._share.processes == roster.read() == 3
        own_server.kill()
        async with started(own_server.url, prefix=prefix, roster=roster) as late:
            asked = [await late.reserve("acme", "m", 9, time.time()) for _ in range(5)]
            assert [quota.admitted for quota in asked] == [True] * 3 + [False] * 2
            own_server.start()
            await back(late)
            assert late._share.processes == 3


async def test_processes_know_how_many_they_are(redis_server: RedisServer) -> None:
    prefix = f"test:{uuid4()}"
    async with started(redis_server.url, prefix=prefix) as one:
        async with started(redis_server.url, prefix=prefix):
            await one._session._membership.register()
            assert one._share.processes == 2
        await one._session._membership.register()
        assert (one._share.processes, one._share.place) == (1, 0)
