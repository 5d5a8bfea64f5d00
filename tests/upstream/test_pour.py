"""Pieces of a body that are taken in the callback in which they arrive."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callgate.errors import GatewayError
from callgate.upstream.client import Response
from upstream.asking import Ask
from upstream.hostile import Hostile, Peer, chunked

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class Paced:
    """A server that sends the next part when it is told to."""

    def __init__(self) -> None:
        self.parts: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def __call__(self, peer: Peer) -> None:
        await peer.request()
        while (part := await self.parts.get()) is not None:
            await peer.send(part)
        peer.reset()

    def say(self, *parts: bytes | None) -> None:
        for part in parts:
            self.parts.put_nowait(part)


@asynccontextmanager
async def begun(asking: Ask, server: Paced, **options: Any) -> AsyncIterator[Response]:
    """A response of which the first piece has been received, and the rest has yet to be said."""
    async with Hostile(server) as hostile:
        server.say(HEAD + piece(b"a"))
        response = await asking.send(hostile.origin, **options)
        assert await response.receive() == b"a"
        yield response
        response.close()


async def test_pieces_are_poured_until_the_end_and_receive_tells_that(ask):
    server = Paced()
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        server.say(piece(b"c") if len(taken) == 1 else END)
        return True

    async with begun(ask(), server) as response:
        server.say(piece(b"b"))
        await response.pour(take)
        assert taken == [b"b", b"c"]
        assert await response.receive() == b""


async def test_who_has_enough_is_given_no_more(ask):
    server = Paced()
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        return False

    async with begun(ask(), server) as response:
        server.say(piece(b"b"))
        await response.pour(take)
        server.say(piece(b"c"))
        assert await response.receive() == b"c"
        server.say(END)
        assert await response.receive() == b""
        assert taken == [b"b"]


async def test_failure_amid_pouring_is_raised_by_receive(ask):
    server = Paced()
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        server.say(None)
        return True

    async with begun(ask(), server) as response:
        server.say(piece(b"b"))
        await response.pour(take)
        assert taken == [b"b"]
        with pytest.raises(GatewayError) as caught:
            await response.receive()
        assert caught.value.kind.type == "upstream_cut"


async def test_silence_amid_pouring_is_bounded(ask, quick_silence):
    server = Paced()
    async with begun(ask(), server, timeouts=quick_silence) as response:
        await response.pour(lambda _: True)
        with pytest.raises(GatewayError) as caught:
            await response.receive()
        assert caught.value.kind.type == "upstream_timeout"


async def test_what_is_here_already_is_not_poured(ask):
    async with Hostile(lambda peer: peer.answer(chunked(b"a", b"b"))) as hostile:
        response = await ask().send(hostile.origin)
        while not response._connection.chunks:
            await asyncio.sleep(0)
        await response.pour(lambda _: pytest.fail("poured"))
        assert b"a" in await response.receive()
        response.close()


async def test_what_is_encoded_is_not_poured(ask):
    whole = gzip.compress(b"ab")
    head = HEAD.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    server = Paced()
    async with Hostile(server) as hostile:
        server.say(head + piece(whole[:4]))
        response = await ask().send(hostile.origin)
        while not response._connection.chunks:
            await asyncio.sleep(0)
        reading = asyncio.create_task(response.receive())
        while response._connection.waiter is None:
            await asyncio.sleep(0)
        server.say(piece(whole[4:]))
        data = await reading
        await response.pour(lambda _: pytest.fail("poured"))
        server.say(END)
        while more := await response.receive():
            data += more
        assert data == b"ab"


async def test_whoever_is_cancelled_while_pouring_leaves_no_connection(ask):
    server = Paced()
    asking = ask()
    async with Hostile(server) as hostile:
        server.say(HEAD + piece(b"a"))
        response = await asking.send(hostile.origin)
        assert await response.receive() == b"a"
        task = asyncio.create_task(response.pour(lambda _: True))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await hostile.peers[0].gone()
        assert asking.client.stats()[hostile.origin].open == 0
