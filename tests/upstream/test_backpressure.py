"""Neither side's haste fills the gateway's memory."""

from __future__ import annotations

import asyncio

from patience import best_of
from upstream.hostile import Hostile, Peer, ok

CHUNK = b"10000\r\n" + b"x" * 65536 + b"\r\n"


@best_of(8)
async def test_fast_server_waits_for_a_slow_reader(ask):
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.answer(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(500):
            await peer.send(CHUNK)
            sent += 1
        await peer.send(b"0\r\n\r\n")
        await peer.stall()

    async with Hostile(script) as server:
        response = await ask().send(server.origin)
        connection = response._connection
        await asyncio.sleep(0.1)
        stuck = sent
        await asyncio.sleep(0.1)
        assert sent == stuck < 400
        assert connection.unread < 1024 * 1024
        total = most = 0
        while data := await response.receive():
            total += len(data)
            most = max(most, len(data))
        assert total == 500 * 65536
        assert most < 1024 * 1024
        response.close()


@best_of(8)
async def test_pause_for_a_slow_reader_is_not_the_servers_silence(ask, quick_silence):
    async with Hostile(lambda peer: peer.answer(ok(b"x" * 8_000_000))) as server:
        response = await ask().send(server.origin, timeouts=quick_silence)
        await asyncio.sleep(0.2)
        total = 0
        while data := await response.receive():
            total += len(data)
        assert total == 8_000_000


async def test_an_answer_that_is_here_may_be_read_late(ask, quick_silence):
    async with Hostile(lambda peer: peer.answer(ok(b"x"))) as server:
        response = await ask().send(server.origin, timeouts=quick_silence)
        await asyncio.sleep(0.12)
        assert await response.read() == b"x"


async def test_large_body_is_read_whole_while_reading_is_paused_and_resumed(ask):
    body = bytes(range(256)) * 40_000
    async with Hostile(lambda peer: peer.answer(ok(body))) as server:
        response = await ask().send(server.origin)
        await asyncio.sleep(0.05)
        assert await response.read() == body


async def test_server_that_does_not_read_bounds_the_writer(ask):
    async with Hostile(lambda peer: asyncio.sleep(60), receive_buffer=4096) as server:
        caller = ask()
        task = asyncio.create_task(caller.read(server.origin, b"x" * 50_000_000))
        await asyncio.sleep(0.1)
        (connection,) = caller.client._sweeper.items
        assert connection.transport.get_write_buffer_size() <= 512 * 1024
        task.cancel()
        await asyncio.wait([task])


async def test_large_request_arrives_whole(ask):
    body = bytes(range(256)) * 20_000

    async def script(peer: Peer) -> None:
        for _ in range(2):
            request = await peer.request()
            assert request is not None
            assert request.body == body
            await peer.send(ok(b"%d" % len(request.body)))

    async with Hostile(script, receive_buffer=65536) as server:
        caller = ask()
        for _ in range(2):
            assert await caller.read(server.origin, body) == b"5120000"
        assert len(server.peers) == 1
