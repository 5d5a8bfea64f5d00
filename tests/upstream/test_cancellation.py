"""A caller who leaves takes the upstream's socket along, at once."""

from __future__ import annotations

import asyncio
from time import monotonic

import pytest

from callgate.core.http import HttpRequest
from patience import PATIENCE, best_of
from upstream.asking import PATIENT
from upstream.hostile import Hostile, Peer, ok

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(("size", "whole"), [(2, True), (50_000_000, False)])
async def test_it_is_told_that_a_request_that_is_given_up_was_sent_whole(ask, size, whole):
    async with Hostile(lambda peer: peer.stall()) as server:
        request = HttpRequest("POST", server.origin, "/", (), b"x" * size)
        told = asyncio.Event()
        task = asyncio.create_task(ask().client.send(request, PATIENT, sent=told.set))
        if whole:
            await asyncio.wait_for(told.wait(), PATIENCE)
        else:
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert told.is_set() is whole


@pytest.mark.parametrize("verb", ["read", "stream"])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 2", HEAD, HEAD + b"5\r\nhello\r\n"])
@best_of(8)
async def test_server_sees_the_close_within_100_ms(ask, verb, sent):
    closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    ready = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(sent)
        ready.set()
        closed.set_result(await peer.gone())

    async with Hostile(script) as server:
        caller = ask()
        task = asyncio.create_task(getattr(caller, verb)(server.origin))
        await ready.wait()
        await asyncio.sleep(0.01)
        left = monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await asyncio.wait_for(closed, PATIENCE) - left < 0.1
        assert caller.client.stats()[server.origin] == (0, 0, 0)


async def test_cancel_amid_a_large_request_closes(ask):
    closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await go.wait()
        closed.set_result(await peer.gone())

    async with Hostile(script) as server:
        caller = ask()
        task = asyncio.create_task(caller.read(server.origin, b"x" * 50_000_000))
        async with asyncio.timeout(PATIENCE):
            while not caller.client._sweeper.items:
                await asyncio.sleep(0.002)
        (connection,) = caller.client._sweeper.items
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.transport.is_closing()
        assert caller.client.stats()[server.origin] == (0, 0, 0)
        go.set()  # what the kernel has taken is still on its way to the server
        await asyncio.wait_for(closed, PATIENCE)


async def test_cancel_while_connecting_leaves_nothing(ask):
    async with Hostile(lambda peer: peer.stall()) as server:
        caller = ask()
        task = asyncio.create_task(caller.read(server.origin))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert caller.client.stats()[server.origin] == (0, 0, 0)
        assert not caller.client._sweeper.items


@pytest.mark.parametrize("rounds", range(12))
async def test_cancel_at_any_step_leaves_nothing(ask, rounds):
    async with Hostile(lambda peer: peer.answer(ok(b"x", b"Connection: close"))) as server:
        caller = ask()
        task = asyncio.create_task(caller.read(server.origin))
        for _ in range(rounds):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert caller.client.stats().get(server.origin, (0, 0, 0)) == (0, 0, 0)


@best_of(8)
async def test_close_amid_the_body_closes_the_socket(ask):
    closed: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    async def script(peer: Peer) -> None:
        await peer.answer(HEAD + b"5\r\nhello\r\n")
        closed.set_result(await peer.gone())

    async with Hostile(script) as server:
        response = await ask().send(server.origin)
        left = monotonic()
        response.close()
        assert await asyncio.wait_for(closed, PATIENCE) - left < 0.1


async def test_closing_the_client_ends_calls_in_progress_and_refuses_new_ones(ask):
    async with Hostile(lambda peer: peer.stall()) as server:
        caller = ask(max_connections_per_origin=1)
        calls = [asyncio.create_task(caller.error(server.origin)) for _ in range(2)]
        await asyncio.sleep(0.02)
        await caller.client.aclose()
        assert [(await call).kind.type for call in calls] == ["overloaded"] * 2
        assert (await caller.error(server.origin)).kind.type == "overloaded"
        other = server.origin._replace(host="localhost")
        assert (await caller.error(other)).kind.type == "overloaded"
        assert caller.client.stats()[server.origin] == (0, 0, 0)
