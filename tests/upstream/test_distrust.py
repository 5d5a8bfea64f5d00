"""Servers that answer unasked: how long they are not trusted, and what it costs them."""

from __future__ import annotations

import asyncio

import pytest

from patience import PATIENCE
from upstream.asking import until
from upstream.hostile import Hostile, Peer, ok, says


@pytest.mark.parametrize("parts", [(ok(b"x") + ok(b"x"),), (ok(b"x"), ok(b"x"))])
async def test_server_that_answers_twice_is_asked_once_on_each_connection(ask, parts):
    """Else the second answer would be taken for that to the next request, of another caller."""

    async def script(peer: Peer) -> None:
        await peer.answer(*(parts if peer.number == 0 else (ok(b"y"),)))
        await peer.gone()

    async with Hostile(script) as server:
        caller = ask()
        assert await caller.read(server.origin) == b"x"
        await until(lambda: caller.client.stats()[server.origin].open == 0)
        assert [await caller.read(server.origin) for _ in range(3)] == [b"y"] * 3
        assert len(server.peers) == 4


async def test_an_answer_is_read_though_another_has_come_behind_it(ask):
    async with Hostile(lambda peer: peer.answer(ok(b"x"), ok(b"poison"))) as server:
        caller = ask()
        response = await caller.send(server.origin)
        await until(lambda: caller.client._pools[server.origin]._distrusted)
        async with asyncio.timeout(PATIENCE):
            assert await response.read() == b"x"
        assert caller.client.stats()[server.origin] == (0, 0, 0)


async def test_what_comes_on_a_closed_connection_is_held_against_nobody(ask):
    async with Hostile(says(ok(b"x"))) as server:
        caller = ask()
        response = await caller.send(server.origin)
        connection = response._connection
        connection.abort()
        connection.data_received(b"more")
        assert not caller.client._pools[server.origin]._distrusted
        response.close()


@pytest.mark.parametrize(("wary", "told"), [(60.0, 1), (0.0, 3)])
async def test_a_server_that_answers_twice_is_told_of_once_a_minute(
    ask, wary, told, monkeypatch, caplog
):
    monkeypatch.setattr("callgate.upstream.pool._WARY", wary)
    async with Hostile(says(ok(b"x") + ok(b"x"))) as server:
        caller = ask()
        for _ in range(3):
            assert await caller.read(server.origin) == b"x"
    assert [one.message for one in caplog.records] == [
        "a provider sends bytes nobody asked for; its connections are used only once"
    ] * told
    assert server.origin.netloc in caplog.records[0].__dict__["detail"]


async def test_a_server_that_has_answered_twice_is_trusted_again_in_time(ask, monkeypatch):
    monkeypatch.setattr("callgate.upstream.pool._WARY", 0.0)

    async def script(peer: Peer) -> None:
        await peer.answer(ok(b"x") + (b"" if peer.number else ok(b"x")))
        while await peer.request():
            await peer.send(ok(b"x"))

    async with Hostile(script) as server:
        caller = ask()
        assert [await caller.read(server.origin) for _ in range(4)] == [b"x"] * 4
        assert len(server.peers) == 2


async def test_connections_that_were_idle_are_not_trusted_either(ask):
    async def script(peer: Peer) -> None:
        await peer.request()
        await until(lambda: len(server.peers) == 2)
        if peer.number:
            await until(lambda: caller.client.stats()[server.origin].idle == 1)
        await peer.send(ok(b"x") + (b"H" if peer.number else b""))
        await peer.gone()

    async with Hostile(script) as server:
        caller = ask()
        await asyncio.gather(*(caller.read(server.origin) for _ in range(2)))
        assert caller.client.stats()[server.origin].open == 0


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n", b"\r\n"]
)
async def test_who_says_why_it_hangs_up_is_trusted_on(ask, said):
    late = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(ok(b"x"))
        if peer.number == 0:
            await late.wait()
            await peer.send(said)
        else:
            await peer.answer(ok(b"x"))
        await peer.gone()

    async with Hostile(script) as server:
        caller = ask()
        await caller.read(server.origin)
        late.set()
        await until(lambda: caller.client.stats()[server.origin].open == 0)
        assert [await caller.read(server.origin) for _ in range(2)] == [b"x", b"x"]
        assert len(server.peers) == 2
