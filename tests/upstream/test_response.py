"""Responses, sound and unsound, as they come from a raw socket."""

from __future__ import annotations

import asyncio
import gc
import gzip
import zlib
from contextlib import suppress

import pytest

from callgate.errors import GatewayError
from upstream.asking import PATIENT
from upstream.hostile import Hostile, Peer, chunked, each_byte, ok, says, says_once

HEAD = b"HTTP/1.1 200 OK\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


async def test_content_length_body_is_read_whole(ask):
    async with Hostile(says(ok(b"hello", b"X-Request-Id: r1", b"X-A: 1", b"x-a: 2"))) as server:
        response = await ask().send(server.origin)
        assert (response.status, await response.read()) == (200, b"hello")
        assert response.headers["x-request-id"] == "r1"
        assert response.headers["x-a"] == "1, 2"
        assert response.connect_us is not None
        assert response.headers_us > 0
        response.close()


async def test_request_is_written_as_http(ask):
    async with Hostile(says(ok(b""))) as server:
        await ask().read(server.origin, b'{"a":1}', path="/v1/chat?x=1")
        request = server.peers[0].requests[0]
    assert request.line == "POST /v1/chat?x=1 HTTP/1.1"
    assert request.body == b'{"a":1}'
    assert request.headers == {
        "host": server.origin.netloc,
        "accept-encoding": "identity",
        "authorization": "Bearer hidden",
        "content-length": "7",
    }


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [("GET", b"", None), ("POST", b"", "0"), ("DELETE", b"", None), ("GET", b"x", "1")],
)
async def test_content_length_of_a_request_fits_its_method(ask, method, body, length):
    async with Hostile(says(ok(b""))) as server:
        await ask().read(server.origin, body, method=method)
        assert server.peers[0].requests[0].headers.get("content-length") == length


@pytest.mark.parametrize(
    "reply",
    [
        ok(b"hello world"),
        chunked(b"hello", b" ", b"world"),
        HEAD + b"Connection: close\r\n\r\nhello world",
        b"HTTP/1.0 200 OK\r\n\r\nhello world",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + ok(b"hello world"),
        CHUNKED + b"5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n",
        HEAD + b"Transfer-Encoding: Chunked\r\n\r\n00b\r\nhello world\r\n0\r\n\r\n",
    ],
)
async def test_body_does_not_depend_on_how_it_is_cut(ask, reply):
    for parts in ([reply], each_byte(reply)):
        async with Hostile(says_once(*parts)) as server:
            assert await ask().read(server.origin) == b"hello world"
            assert b"".join(await ask().stream(server.origin)) == b"hello world"


async def test_stream_is_given_out_as_it_arrives(ask):
    go = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED + b"5\r\nfirst\r\n")
        await go.wait()
        await peer.send(b"6\r\nsecond\r\n0\r\n\r\n")
        await peer.stall()

    async with Hostile(script) as server:
        response = await ask().send(server.origin)
        assert await response.receive() == b"first"
        go.set()
        assert await response.receive() == b"second"
        assert await response.receive() == b""
        assert await response.receive() == b""
        response.close()
        response.close()


@pytest.mark.parametrize("status", [b"204 No Content", b"304 Not Modified"])
async def test_status_without_body_ends_with_its_head(ask, status):
    reply = b"HTTP/1.1 %b\r\nContent-Length: 5\r\nContent-Encoding: br\r\n\r\n" % status
    async with Hostile(says(reply)) as server:
        caller = ask()
        assert await caller.read(server.origin) == b""
        assert await caller.read(server.origin) == b""
        assert len(server.peers) == 1


async def test_head_request_has_no_body_and_keeps_the_connection(ask):
    async with Hostile(says(HEAD + b"Content-Length: 5\r\n\r\n")) as server:
        caller = ask()
        for _ in range(3):
            assert await caller.read(server.origin, b"", method="HEAD") == b""
        assert len(server.peers) == 1


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "not HTTP"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "not HTTP"),
        (b"\x16\x03\x01\x02\x00" * 9, "not HTTP"),
        (b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 xyz\r\n\r\n", "not an HTTP/1.1 response"),
        (HEAD + b"no colon\r\n\r\n", "not an HTTP/1.1 response"),
        (HEAD + b"X: a\r\n folded\r\n\r\n", "not an HTTP/1.1 response"),
        (HEAD + b"Content-Length: -5\r\n\r\n", "not an HTTP/1.1 response"),
        (HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "not an HTTP/1.1 response"),
        (HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", "not an HTTP/1.1 response"),
        (CHUNKED[:-2] + b"Content-Length: 2\r\n\r\nab", "not an HTTP/1.1 response"),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "transfer coding"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n", "protocol"),
        (CHUNKED + b"zz\r\n", "broken framing"),
        (CHUNKED + b"FFFFFFFFFFFFFFFFFF\r\n", "broken framing"),
        (CHUNKED + b"-1\r\n", "broken framing"),
        (CHUNKED + b"5\r\nhelloXX\r\n", "broken framing"),
        (HEAD + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\nab", "content coding"),
        (HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", "coding is broken"),
    ],
)
async def test_nonsense_is_a_bad_reply(ask, reply, words):
    for parts in ([reply], each_byte(reply)):
        async with Hostile(says_once(*parts)) as server:
            error = await ask().error(server.origin)
        assert error.kind.type == "bad_upstream_reply"
        assert words in error.message
        assert server.origin.netloc in str(error.detail)
        assert server.origin.netloc not in error.message


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "before it sent a byte"),
        (b"HTTP/1.1 200", "during the response headers"),
        (HEAD + b"Content-Length: 5\r\n", "during the response headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "during the response headers"),
        (HEAD + b"Content-Length: 5\r\n\r\n", "before the body"),
        (HEAD + b"Content-Length: 5\r\n\r\nhell", "during the body"),
        (CHUNKED, "before the body"),
        (CHUNKED + b"5\r\nhello\r\n", "during the body"),
        (CHUNKED + b"5\r\nhello\r\n0\r\n", "during the body"),
    ],
)
@pytest.mark.parametrize("reset", [False, True])
async def test_connection_that_ends_early_is_a_cut(ask, sent, words, reset):
    async with Hostile(says_once(sent, reset=reset)) as server:
        error = await ask().error(server.origin)
    assert error.kind.type == "upstream_cut"
    assert words in error.message


async def test_reset_amid_a_close_delimited_body_is_a_cut(ask):
    async with Hostile(says_once(HEAD + b"\r\npart", reset=True)) as server:
        error = await ask().error(server.origin)
    assert error.kind.type == "upstream_cut"


async def test_bytes_before_a_cut_are_given_out_and_no_end_is_faked(ask):
    async with Hostile(says_once(CHUNKED + b"5\r\nhello\r\n")) as server:
        response = await ask().send(server.origin)
        assert await response.receive() == b"hello"
        for _ in range(2):
            with pytest.raises(Exception, match="during the body"):
                await response.receive()
        response.close()


async def test_head_is_given_out_although_the_body_is_broken_from_the_start(ask):
    async with Hostile(says_once(b"HTTP/1.1 500 X\r\nContent-Length: 9\r\n\r\nboo")) as server:
        response = await ask().send(server.origin)
        assert response.status == 500
        assert await response.receive() == b"boo"
        with pytest.raises(Exception, match="during the body"):
            await response.receive()


async def test_closed_response_does_not_pretend_to_have_ended(ask):
    async with Hostile(says(CHUNKED + b"5\r\nhello\r\n")) as server:
        response = await ask().send(server.origin)
        response.close()
        with pytest.raises(RuntimeError):
            await response.receive()


async def test_response_before_the_request_is_fully_sent(ask):
    async def script(peer: Peer) -> None:
        await peer.some()
        await peer.send(ok(b"too large"))
        await asyncio.sleep(60)

    async with Hostile(script, receive_buffer=4096) as server:
        caller = ask()
        assert await caller.read(server.origin, b"x" * 20_000_000) == b"too large"
        assert caller.client.stats()[server.origin].open == 0


@pytest.mark.parametrize(
    "reply",
    [
        HEAD + b"".join(b"X-%d: y\r\n" % i for i in range(1000)) + b"\r\n",
        HEAD + b"X: " + b"y" * 9000 + b"\r\n\r\n",
        HEAD + b"X: " + b"y" * 9000,
        HEAD + b"X: y\r\n" * 1500 + b"\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    ],
)
async def test_header_flood_is_a_bad_reply(ask, reply):
    async with Hostile(says_once(reply)) as server:
        error = await ask(max_header_bytes=8192).error(server.origin)
    assert error.kind.type == "bad_upstream_reply"


async def test_endless_interim_responses_are_a_bad_reply(ask):
    async def script(peer: Peer) -> None:
        await peer.request()
        while True:
            await peer.send(b"HTTP/1.1 102 Processing\r\n\r\n")

    async with Hostile(script) as server:
        error = await ask().error(server.origin)
    assert error.kind.type == "bad_upstream_reply"


@pytest.mark.parametrize("endless", [b"4000\r\n" + b"x" * 0x4000 + b"\r\n", b"1\r\nx\r\n" * 4000])
async def test_endless_body_is_a_bad_reply(ask, endless):
    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED)
        while True:
            await peer.send(endless)

    async with Hostile(script) as server:
        caller = ask(max_body_bytes=1_000_000)
        error = await caller.error(server.origin)
        assert error.kind.type == "bad_upstream_reply"
        with pytest.raises(Exception, match="larger body"):
            await caller.stream(server.origin)


async def test_chunk_extension_flood_is_a_bad_reply(ask):
    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED + b"5;")
        while True:
            await peer.send(b"x" * 8192)

    async with Hostile(script) as server:
        error = await ask().error(server.origin)
    assert error.kind.type == "bad_upstream_reply"
    assert "chunks without content" in error.message


async def test_trailer_flood_is_a_bad_reply(ask):
    async def script(peer: Peer) -> None:
        await peer.answer(CHUNKED + b"1\r\nx\r\n0\r\n")
        while True:
            await peer.send(b"X-Trailer: y\r\n" * 100)

    async with Hostile(script) as server:
        error = await ask().error(server.origin)
    assert error.kind.type == "bad_upstream_reply"


async def test_read_is_bounded_by_its_limit(ask):
    async with Hostile(says(ok(b"x" * 100))) as server:
        caller = ask()
        response = await caller.send(server.origin)
        assert len(await response.read(100)) == 100
        response = await caller.send(server.origin)
        with pytest.raises(Exception, match="larger body"):
            await response.read(99)
        assert caller.client.stats()[server.origin].open == 0


@pytest.mark.parametrize("coded", [False, True])
async def test_read_is_bounded_by_its_limit_where_the_body_comes_in_pieces(ask, coded):
    body = b"x" * 11
    head = CHUNKED
    if coded:
        body, head = gzip.compress(body), CHUNKED[:-2] + b"Content-Encoding: gzip\r\n\r\n"
    piece = b"%x\r\n%b\r\n"
    parts = (piece % (5, body[:5]), piece % (len(body) - 5, body[5:]))

    async def script(peer: Peer) -> None:
        while await peer.request():
            await peer.send(head, *parts, b"0\r\n\r\n")

    async with Hostile(script) as server:
        caller = ask()
        response = await caller.send(server.origin)
        assert await response.read(11) == b"x" * 11
        response = await caller.send(server.origin)
        with pytest.raises(GatewayError) as caught:
            await response.read(10)
        assert caught.value.kind.type == "bad_upstream_reply"
        assert caller.client.stats()[server.origin] == (0, 0, 0)


def encoded(coding: bytes, body: bytes) -> bytes:
    return ok(body, b"Content-Encoding: " + coding)


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-15)
    return deflate.compress(data) + deflate.flush()


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        (b"gzip", gzip.compress(b"hello world", mtime=0)),
        (b"x-gzip", gzip.compress(b"hello ", mtime=0) + gzip.compress(b"world", mtime=0)),
        (b"deflate", zlib.compress(b"hello world")),
        (b"deflate", raw_deflate(b"hello world")),
        (b"identity", b"hello world"),
    ],
)
async def test_coded_body_is_decoded(ask, coding, body):
    for parts in ([encoded(coding, body)], each_byte(encoded(coding, body))):
        async with Hostile(says(*parts)) as server:
            caller = ask()
            assert await caller.read(server.origin) == b"hello world"
            assert b"".join(await caller.stream(server.origin)) == b"hello world"
            assert len(server.peers) == 1


@pytest.mark.parametrize(
    "body", [gzip.compress(b"hello", mtime=0)[:-1], gzip.compress(b"hello", mtime=0) + b"xx"]
)
async def test_coding_that_does_not_end_properly_is_a_bad_reply(ask, body):
    async with Hostile(says(encoded(b"gzip", body))) as server:
        error = await ask().error(server.origin)
    assert error.kind.type == "bad_upstream_reply"
    assert "coding is broken" in error.message


async def test_gzip_bomb_is_a_bad_reply(ask):
    bomb = gzip.compress(b"\0" * 20_000_000, mtime=0)
    async with Hostile(says(encoded(b"gzip", bomb))) as server:
        caller = ask(max_body_bytes=1_000_000)
        error = await caller.error(server.origin)
        assert "larger body" in error.message
        with pytest.raises(Exception, match="larger body"):
            await caller.stream(server.origin, timeouts=PATIENT)


@pytest.mark.parametrize(
    "sent", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", b"no HTTP\r\n\r\n"]
)
async def test_failure_leaves_nothing_to_the_garbage_collector(ask, sent):
    async with Hostile(says_once(sent)) as server:
        caller = ask()
        gc.freeze()  # only what is made from here on is looked at
        gc.disable()
        gc.set_debug(gc.DEBUG_SAVEALL)
        try:
            with suppress(GatewayError):
                response = await caller.send(server.origin)
                try:
                    await response.read()
                finally:
                    response.close()
                    del response
            gc.collect()
            left = [one for one in gc.garbage if isinstance(one, GatewayError)]
        finally:
            gc.set_debug(0)
            gc.garbage.clear()
            gc.enable()
            gc.collect()
    assert left == []
