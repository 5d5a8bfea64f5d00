"""Every phase of a call has its own bound of time."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from time import monotonic

import pytest

from callgate.core.http import HttpRequest, Origin
from callgate.core.models import Timeouts
from callgate.errors import GatewayError
from patience import PATIENCE, best_of
from upstream.asking import PATIENT
from upstream.hostile import Hostile, Peer, ok

SHORT = 0.06
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def within(**phases: float) -> Timeouts:
    return replace(PATIENT, **phases)


@pytest.mark.parametrize(("size", "whole"), [(2, True), (50_000_000, False)])
async def test_it_is_told_that_a_request_not_answered_in_time_was_sent_whole(ask, size, whole):
    done = asyncio.Event()

    async def script(peer: Peer) -> None:
        await done.wait()  # and nothing is read meanwhile

    async with Hostile(script) as server:
        request = HttpRequest("POST", server.origin, "/", (), b"x" * size)
        told: list[bool] = []
        with pytest.raises(GatewayError):
            await ask().client.send(request, within(headers=SHORT), sent=lambda: told.append(True))
        assert told == [True] * whole
        done.set()


def after(sent: bytes):  # type: ignore[no-untyped-def]
    async def script(peer: Peer) -> None:
        await peer.answer(sent)
        await peer.stall()

    return script


@pytest.mark.parametrize(
    ("sent", "phase", "words"),
    [
        (b"", "headers", "response headers timeout"),
        (b"HTTP/1.1 20", "headers", "response headers timeout"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "headers", "response headers timeout"),
        (HEAD, "first_token", "first token timeout"),
        (HEAD + b"5\r\n", "first_token", "first token timeout"),
        (HEAD + b"5\r\nhello\r\n", "silence", "silence timeout"),
        (b"", "total", "total timeout"),
        (HEAD, "total", "total timeout"),
        (HEAD + b"5\r\nhello\r\n", "total", "total timeout"),
    ],
)
@best_of(8)
async def test_stall_ends_with_the_timeout_of_its_phase(ask, sent, phase, words):
    async with Hostile(after(sent)) as server:
        caller = ask()
        begun = monotonic()
        error = await caller.error(server.origin, timeouts=within(**{phase: SHORT}))
        assert error.kind.type == "upstream_timeout"
        assert words in error.message
        assert "0.06 s" in error.message
        assert SHORT <= monotonic() - begun < SHORT + 0.3
        assert caller.client.stats()[server.origin].open == 0


@best_of(8)
async def test_bytes_before_the_silence_are_given_out_first(ask):
    async with Hostile(after(HEAD + b"5\r\nhello\r\n")) as server:
        response = await ask().send(server.origin, timeouts=within(silence=SHORT))
        assert await response.receive() == b"hello"
        with pytest.raises(Exception, match="silence timeout"):
            await response.receive()


@best_of(8)
async def test_drip_keeps_the_silence_away_but_not_the_total(ask):
    async def script(peer: Peer) -> None:
        await peer.answer(HEAD)
        while True:
            await peer.send(b"1\r\nx\r\n")
            await asyncio.sleep(0.01)

    async with Hostile(script) as server:
        error = await ask().error(server.origin, timeouts=within(silence=0.1, total=0.3))
    assert "total timeout" in error.message


@best_of(8)
async def test_framing_without_content_does_not_count_as_content(ask):
    async def script(peer: Peer) -> None:
        await peer.answer(HEAD + b"5;")
        while True:
            await peer.send(b"x")
            await asyncio.sleep(0.01)

    async with Hostile(script) as server:
        error = await ask().error(server.origin, timeouts=within(first_token=0.1))
    assert "first token timeout" in error.message


def dripping(before: bytes, drop: bytes):  # type: ignore[no-untyped-def]
    async def script(peer: Peer) -> None:
        await peer.answer(before)
        while True:
            await peer.send(b"%x\r\n%b\r\n" % (len(drop), drop))
            await asyncio.sleep(0.01)

    return script


@pytest.mark.parametrize("sent", [b"", HEAD])
@best_of(8)
async def test_stream_owes_its_first_token_from_the_request_on(ask, sent):
    async with Hostile(after(sent)) as server:
        begun = monotonic()
        error = await ask().error(
            server.origin, streamed=True, timeouts=within(first_token=0.1, headers=5)
        )
        assert 0.1 <= monotonic() - begun < 0.4
    assert "first token timeout" in error.message


@best_of(8)
async def test_stream_of_pings_is_not_waited_for_beyond_its_first_token(ask):
    async with Hostile(dripping(HEAD, b": ping\n\n")) as server:
        error = await ask().error(server.origin, streamed=True, timeouts=within(first_token=0.15))
    assert "first token timeout" in error.message


@best_of(8)
async def test_stream_that_answers_goes_on_beyond_its_first_token(ask):
    async with Hostile(dripping(HEAD, b"data: 1\n\n")) as server:
        response = await ask().send(server.origin, streamed=True, timeouts=within(first_token=0.1))
        assert await response.receive()
        response.answering()
        begun = monotonic()
        while monotonic() - begun < 0.2:
            assert await response.receive()
        response.close()


@best_of(8)
async def test_white_space_is_no_first_token_of_an_answer_that_is_not_streamed(ask):
    async with Hostile(dripping(HEAD, b" \n")) as server:
        error = await ask().error(server.origin, timeouts=within(first_token=0.1))
    assert "first token timeout" in error.message


@best_of(8)
async def test_white_space_before_an_answer_does_no_harm(ask):
    async def script(peer: Peer) -> None:
        await peer.answer(HEAD + b"1\r\n\n\r\n")
        await asyncio.sleep(0.02)
        await peer.send(b"2\r\n{}\r\n")
        await asyncio.sleep(0.15)
        await peer.send(b"0\r\n\r\n")

    async with Hostile(script) as server:
        body = await ask().read(server.origin, timeouts=within(first_token=0.1))
    assert body == b"\n{}"


@best_of(8)
async def test_request_that_is_not_taken_times_out(ask):
    async with Hostile(lambda peer: asyncio.sleep(60), receive_buffer=4096) as server:
        caller = ask()
        error = await caller.error(
            server.origin, body=b"x" * 20_000_000, timeouts=within(headers=SHORT)
        )
        assert error.kind.type == "upstream_timeout"
        assert "request body timeout" in error.message


@best_of(8)
async def test_connect_that_hangs_times_out(ask):
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:  # fill the backlog, so that the kernel drops further SYNs
            filler.setblocking(False)
            filler.connect_ex(address)
        caller = ask()
        error = await caller.error(Origin("http", *address), timeouts=within(connect=SHORT))
        for filler in fillers:
            filler.close()
    assert error.kind.type == "upstream_timeout"
    assert "connect timeout" in error.message
    assert caller.client.stats()[Origin("http", *address)].open == 0


@best_of(8)
async def test_shorter_timeout_of_a_later_call_is_kept(ask):
    async with Hostile(after(b"")) as server:
        caller = ask()
        slow = asyncio.create_task(caller.error(server.origin, timeouts=within(headers=0.5)))
        await asyncio.sleep(0.01)
        begun = monotonic()
        await caller.error(server.origin, timeouts=within(headers=SHORT))
        assert monotonic() - begun < 0.4
        assert not slow.done()
        assert "response headers" in (await slow).message


@best_of(8)
async def test_timer_is_absent_while_nothing_is_open(ask):
    async with Hostile(after(ok(b""))) as server:
        caller = ask(idle_expiry=0.05)
        await caller.read(server.origin)
        sweeper = caller.client._sweeper
        assert sweeper._handle is not None
        async with asyncio.timeout(PATIENCE):
            while not server.peers[0].closed:
                await asyncio.sleep(0.002)
        assert (sweeper._handle, sweeper.items) == (None, set())


async def test_what_follows_a_whole_answer_is_waited_for_no_longer_than_told(ask):
    async with Hostile(after(HEAD + b"5\r\nhello\r\n")) as server:
        response = await ask().send(server.origin)
        assert await response.receive() == b"hello"
        response.ending(SHORT)
        response.ending(PATIENCE)  # no longer than was told first
        with pytest.raises(GatewayError, match=rf"for {SHORT} s .silence timeout") as caught:
            await asyncio.wait_for(response.receive(), PATIENCE / 2)
        assert caught.value.kind.type == "upstream_timeout"
        response.ending(SHORT)
