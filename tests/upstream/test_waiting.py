"""A full pool: callers wait their turn, and no place is lost or given twice."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from patience import PATIENCE
from upstream.asking import PATIENT, until
from upstream.hostile import Hostile, Peer, ok, says


async def test_cap_is_kept_and_callers_are_served_in_their_order(ask):
    active = most = 0
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        nonlocal active, most
        while await peer.request():
            active += 1
            await go.wait()
            most = max(most, active)
            active -= 1
            await peer.send(ok(b"x"))

    async with Hostile(script) as server:
        caller = ask(max_connections_per_origin=2)
        order: list[int] = []

        async def call(number: int) -> None:
            response = await caller.send(server.origin)
            order.append(number)
            response.close()

        calls = []
        for number in range(12):
            calls.append(asyncio.create_task(call(number)))
            await asyncio.sleep(0)
        await until(lambda: caller.client.stats()[server.origin].waiting == 10 and active == 2)
        go.set()
        await asyncio.gather(*calls)
        assert most <= 2
        assert len(server.peers) == 2
        assert [sorted(order[i : i + 2]) for i in range(0, 12, 2)] == [
            [i, i + 1] for i in range(0, 12, 2)
        ]
        assert caller.client.stats()[server.origin] == (2, 2, 0)


async def test_waiting_ends_with_the_connect_timeout(ask):
    async with Hostile(lambda peer: peer.stall()) as server:
        caller = ask(max_connections_per_origin=1)
        busy = asyncio.create_task(caller.read(server.origin))
        await until(lambda: len(server.peers) == 1)
        error = await caller.error(server.origin, timeouts=replace(PATIENT, connect=0.05))
        assert error.kind.type == "upstream_unreachable"
        assert "stayed busy" in error.message
        assert caller.client.stats()[server.origin] == (1, 0, 0)
        assert not caller.client._pools[server.origin]._waiting  # nor is who has left kept there
        busy.cancel()
        await asyncio.wait([busy])


async def test_place_of_a_closed_connection_goes_to_the_first_who_waits(ask):
    async with Hostile(says(ok(b"x", b"Connection: close"))) as server:
        caller = ask(max_connections_per_origin=1)
        assert await asyncio.gather(*(caller.read(server.origin) for _ in range(5))) == [b"x"] * 5
        assert len(server.peers) == 5
        assert caller.client.stats()[server.origin] == (0, 0, 0)


async def test_a_place_that_becomes_free_goes_to_one_alone(ask):
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number:
            await go.wait()
        await peer.send(ok(b"x", b"Connection: close"))

    async with Hostile(script) as server:
        caller = ask(max_connections_per_origin=1)
        calls = [asyncio.create_task(caller.read(server.origin)) for _ in range(3)]
        await until(lambda: len(server.peers) == 2)
        assert caller.client.stats()[server.origin] == (1, 0, 1)
        go.set()
        assert await asyncio.gather(*calls) == [b"x"] * 3
        assert len(server.peers) == 3


async def test_place_of_a_failed_connect_goes_to_the_first_who_waits(ask):
    async with Hostile(says(ok(b"x"))) as server:
        origin = server.origin
    caller = ask(max_connections_per_origin=1)
    results = await asyncio.gather(*(caller.error(origin) for _ in range(5)))
    assert [error.kind.type for error in results] == ["upstream_unreachable"] * 5
    assert caller.client.stats()[origin] == (0, 0, 0)


@pytest.mark.parametrize("rounds", range(6))
async def test_cancelled_waiter_loses_nothing(ask, rounds):
    """The one who waits is cancelled at any distance from being handed the connection."""
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask(max_connections_per_origin=1)
        held = await caller.send(server.origin)
        waiter = asyncio.create_task(caller.read(server.origin))
        await until(lambda: caller.client.stats()[server.origin].waiting == 1)
        held.close()
        for _ in range(rounds):
            await asyncio.sleep(0)
        waiter.cancel()
        await asyncio.wait([waiter])
        async with asyncio.timeout(PATIENCE):
            assert await caller.read(server.origin) == b"x"
        assert caller.client.stats()[server.origin] == (1, 1, 0)


@pytest.mark.parametrize("given_first", [False, True])
async def test_connection_goes_past_who_has_left_in_the_same_moment(ask, given_first):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask(max_connections_per_origin=1)
        held = await caller.send(server.origin)
        first, second = (asyncio.create_task(caller.read(server.origin)) for _ in range(2))
        await until(lambda: caller.client.stats()[server.origin].waiting == 2)
        for happens in (held.close, first.cancel) if given_first else (first.cancel, held.close):
            happens()
        async with asyncio.timeout(PATIENCE):
            assert await second == b"x"
        await asyncio.wait([first])
        assert caller.client.stats()[server.origin] == (1, 1, 0)
        assert len(server.peers) == 1


async def test_cancelled_waiter_that_was_given_a_place_passes_it_on(ask):
    async with Hostile(says(ok(b"x", b"Connection: close"))) as server:
        caller = ask(max_connections_per_origin=1)
        held = await caller.send(server.origin)
        first, second = (asyncio.create_task(caller.read(server.origin)) for _ in range(2))
        await until(lambda: caller.client.stats()[server.origin].waiting == 2)
        held.close()
        first.cancel()
        async with asyncio.timeout(PATIENCE):
            assert await second == b"x"
        await asyncio.wait([first])
        assert caller.client.stats()[server.origin] == (0, 0, 0)


async def test_connection_that_dies_on_its_way_to_a_waiter_costs_no_turn(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask(max_connections_per_origin=1)
        held = await caller.send(server.origin)
        order: list[int] = []

        async def call(number: int) -> None:
            response = await caller.send(server.origin)
            order.append(number)
            response.close()

        calls = [asyncio.create_task(call(number)) for number in range(3)]
        await until(lambda: caller.client.stats()[server.origin].waiting == 3)
        connection = held._connection
        held.close()
        connection.abort()
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*calls)
        assert order == [1, 0, 2]  # its place had gone to the second
        assert caller.client.stats()[server.origin] == (1, 1, 0)


async def test_who_waited_for_a_connection_that_was_used_is_told_no_time_to_connect(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask(max_connections_per_origin=1)
        held = await caller.send(server.origin)
        waiting = asyncio.create_task(caller.send(server.origin))
        await until(lambda: caller.client.stats()[server.origin].waiting == 1)
        held.close()
        response = await waiting
        assert response.connect_us is None
        response.close()


async def test_waiting_caller_that_left_is_not_counted(ask):
    async with Hostile(lambda peer: peer.stall()) as server:
        caller = ask(max_connections_per_origin=1)
        tasks = [asyncio.create_task(caller.read(server.origin)) for _ in range(3)]
        await until(lambda: caller.client.stats().get(server.origin) == (1, 0, 2))
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert caller.client.stats()[server.origin] == (0, 0, 0)


async def test_no_more_connections_are_made_than_the_cap_allows(ask):
    async with Hostile(says(ok(b"x" * 1000))) as server:
        caller = ask(max_connections_per_origin=20)
        bodies = await asyncio.gather(*(caller.read(server.origin) for _ in range(300)))
        assert set(bodies) == {b"x" * 1000}
        assert len(server.peers) == 20
