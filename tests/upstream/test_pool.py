"""Connections are reused, bounded, shared fairly, and never reused when that is unsafe."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from callgate.upstream.connection import Connection
from callgate.upstream.dial import dial
from callgate.upstream.reader import BODY, COMPLETE, FIRST
from patience import PATIENCE, best_of
from upstream.asking import until
from upstream.hostile import Hostile, Peer, chunked, ok, says, says_once


async def test_connection_is_reused_and_told_by_its_connect_time(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask()
        first = await caller.send(server.origin)
        first.close()
        second = await caller.send(server.origin)
        second.close()
        assert first.connect_us is not None
        assert second.connect_us is None
        assert len(server.peers) == 1
        assert caller.client.stats() == {server.origin: (1, 1, 0)}


async def test_bodies_that_were_read_whole_hold_up_no_later_one(ask):
    body = b"x" * 200_000
    whole = ok(body)
    async with Hostile(says(whole[:100_000], whole[100_000:])) as server:
        caller = ask()
        for _ in range(4):
            response = await caller.send(server.origin)
            await until(lambda: response._connection.phase == COMPLETE)  # noqa: B023
            assert await response.read() == body
        assert len(server.peers) == 1


async def test_bytes_without_content_are_counted_for_each_answer_anew(ask):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with Hostile(says(head, b"0;ext=" + b"x" * 600, b"\r\n\r\n")) as server:
        caller = ask(max_header_bytes=1000)
        for _ in range(4):
            assert await caller.read(server.origin) == b""
        assert len(server.peers) == 1


async def test_connection_is_reused_after_a_stream_that_was_not_fully_taken(ask):
    async with Hostile(says(chunked(b"a", b"b"))) as server:
        caller = ask()
        for _ in range(3):
            response = await caller.send(server.origin)
            response.close()
        assert await caller.read(server.origin) == b"ab"
        assert len(server.peers) == 1


@best_of(5)
async def test_released_stream_leaves_a_moment_for_the_end_of_its_framing(ask):
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        whole = chunked(b"data: [DONE]")
        while await peer.request():
            await peer.send(whole[:-5])
            await go.wait()
            await peer.send(whole[-5:-2], whole[-2:])

    async with Hostile(script) as server:
        caller = ask()
        response = await caller.send(server.origin)
        assert await response.receive() == b"data: [DONE]"
        response.release()
        response.release()
        assert caller.client.stats()[server.origin] == (1, 0, 0)
        go.set()
        await until(lambda: caller.client.stats()[server.origin] == (1, 1, 0))
        assert await caller.read(server.origin) == b"data: [DONE]"
        assert len(server.peers) == 1


async def test_what_ends_unattended_is_kept_though_the_stream_before_it_was_released(ask):
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        whole = chunked(b"x")
        for _ in range(2):
            await peer.request()
            await peer.send(whole[:-8])
            await go.wait()
            await peer.send(whole[-8:])
        await peer.gone()

    async with Hostile(script) as server:
        caller = ask()
        first = await caller.send(server.origin)
        go.set()
        first.release()
        await until(lambda: caller.client.stats()[server.origin] == (1, 1, 0))
        go.clear()
        second = await caller.send(server.origin)
        go.set()
        await until(lambda: second._connection.phase != FIRST)
        await until(lambda: second._connection.phase != BODY)
        async with asyncio.timeout(PATIENCE):
            assert await second.read() == b"x"
        assert len(server.peers) == 1


async def test_released_stream_that_has_ended_is_kept_at_once(ask):
    async with Hostile(says(chunked(b"data: [DONE]"))) as server:
        caller = ask()
        response = await caller.send(server.origin)
        await until(lambda: response._connection.phase == COMPLETE)
        response.release()
        assert caller.client.stats()[server.origin] == (1, 1, 0)


async def test_a_stream_comes_as_it_arrives_behind_a_body_that_was_read_whole(ask):
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        whole = chunked(b"x")
        for _ in range(2):
            await peer.request()
            await peer.send(whole[:-5])
            await go.wait()
            await peer.send(whole[-5:])
        await peer.gone()

    async with Hostile(script) as server:
        caller = ask()
        reading = asyncio.create_task(caller.read(server.origin))
        await until(lambda: server.peers and server.peers[0].requests)
        await asyncio.sleep(0.01)
        go.set()
        assert await reading == b"x"
        go.clear()
        response = await caller.send(server.origin)
        async with asyncio.timeout(PATIENCE):
            assert await response.receive() == b"x"
        go.set()
        assert await response.receive() == b""
        assert len(server.peers) == 1


@pytest.mark.parametrize("more", [b"", b"5\r\nhello\r\n" * 2000, b"xx\r\n"])
async def test_released_stream_that_does_not_end_is_closed(ask, more):
    async def script(peer: Peer) -> None:
        await peer.answer(chunked(b"data: [DONE]")[:-5])
        await asyncio.sleep(0.02)
        await peer.send(more)
        await peer.stall()

    async with Hostile(script) as server:
        caller = ask()
        response = await caller.send(server.origin)
        response.release()
        await until(lambda: caller.client.stats()[server.origin] == (0, 0, 0))


async def test_connection_used_last_is_taken_first(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask()
        both = [await caller.send(server.origin) for _ in range(2)]
        both[0].close()
        both[1].close()
        for _ in range(3):
            await caller.read(server.origin)
        assert [len(peer.requests) for peer in server.peers] == [1, 4]


@pytest.mark.parametrize(
    "reply",
    [
        ok(b"x", b"Connection: close"),
        b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx",
        ok(b"x") + b"garbage",
        ok(b"x") + b"H",
        ok(b"x") + ok(b"y"),
    ],
)
async def test_connection_is_not_reused_where_that_is_unsafe(ask, reply):
    async with Hostile(says(reply)) as server:
        caller = ask()
        assert [await caller.read(server.origin) for _ in range(2)] == [b"x", b"x"]
        assert len(server.peers) == 2
        assert caller.client.stats()[server.origin] == (0, 0, 0)


async def test_http_1_0_connection_is_reused_where_it_says_so(ask):
    reply = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx"
    async with Hostile(says(reply)) as server:
        caller = ask()
        assert [await caller.read(server.origin) for _ in range(2)] == [b"x", b"x"]
        assert len(server.peers) == 1


async def test_bytes_that_come_while_idle_end_the_connection(ask):
    late = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(ok(b"x"))
        await late.wait()
        await peer.send(ok(b"poison"))
        while await peer.request():
            await peer.send(ok(b"poison"))

    async with Hostile(script) as server:
        caller = ask()
        await caller.read(server.origin)
        late.set()
        await until(lambda: caller.client.stats()[server.origin].open == 0)
        assert await caller.read(server.origin) == b"x"


@pytest.mark.parametrize(
    ("end", "kind"), [("close", "overloaded"), ("abort", "upstream_unreachable")]
)
async def test_what_ends_while_a_connection_is_made_leaves_none(ask, end, kind, monkeypatch):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask()

        async def dialled(*about: Any) -> Connection:
            connection = await dial(*about)
            if end == "close":
                await caller.client.aclose()
            else:
                connection.transport.abort()
            return connection

        monkeypatch.setattr("callgate.upstream.pool.dial", dialled)
        error = await caller.error(server.origin)
        assert error.kind.type == kind
        assert caller.client.stats()[server.origin] == (0, 0, 0)
        await server.peers[0].gone()


@pytest.mark.parametrize("reset", [False, True])
async def test_connection_that_dies_while_idle_leaves_at_once(ask, reset):
    async with Hostile(says_once(ok(b"x"), reset=reset)) as server:
        caller = ask()
        for _ in range(3):
            assert await caller.read(server.origin) == b"x"
            await until(lambda: caller.client.stats()[server.origin].open == 0)
        assert len(server.peers) == 3


async def test_request_is_never_written_twice(ask):
    async def script(peer: Peer) -> None:
        await peer.answer(ok(b"x"))
        await peer.request()

    async with Hostile(script) as server:
        caller = ask()
        await caller.read(server.origin)
        error = await caller.error(server.origin)
        assert error.kind.type == "upstream_cut"
        assert len(server.peers) == 1
        assert len(server.peers[0].requests) == 2


async def test_dead_connection_is_passed_over_before_anything_is_written(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask()
        await caller.read(server.origin)
        pool = caller.client._pools[server.origin]
        pool.idle[
            0
        ].transport.close()  # as the event loop does on an error, one round before it tells
        assert await caller.read(server.origin) == b"x"
        assert len(server.peers) == 2


async def test_connection_that_is_old_is_not_reused(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask(max_age=0)
        for _ in range(2):
            assert await caller.read(server.origin) == b"x"
        assert len(server.peers) == 2
        assert caller.client.stats()[server.origin] == (0, 0, 0)


@best_of(5)
async def test_idle_connection_expires(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask(idle_expiry=0.05)
        await caller.read(server.origin)
        assert caller.client.stats()[server.origin] == (1, 1, 0)
        await until(lambda: caller.client.stats()[server.origin] == (0, 0, 0))
        await until(lambda: server.peers[0].closed)


async def test_number_of_idle_connections_is_bounded(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask(max_idle_per_origin=2)
        responses = [await caller.send(server.origin) for _ in range(4)]
        for response in responses:
            response.close()
        assert caller.client.stats()[server.origin] == (2, 2, 0)


async def test_origins_do_not_share(ask):
    async with Hostile(says(ok(b"a"))) as one, Hostile(says(ok(b"b"))) as two:
        caller = ask()
        for _ in range(2):
            assert await caller.read(one.origin) == b"a"
            assert await caller.read(two.origin) == b"b"
        assert set(caller.client.stats()) == {one.origin, two.origin}
