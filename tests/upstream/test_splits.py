"""Replies over a real socket, cut where hypothesis likes."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.errors import GatewayError
from callgate.upstream.client import Client, UpstreamSettings
from upstream.asking import Ask
from upstream.hostile import Hostile, chunked, ok, says_once

HEAD = b"HTTP/1.1 200 OK\r\n"
REPLIES = {
    ok(b"hello world", b"X-A: 1"): b"hello world",
    chunked(b"hello", b" ", b"world"): b"hello world",
    b"HTTP/1.1 102 Wait\r\nA: b\r\n\r\n" + chunked(b"hello"): b"hello",
    HEAD + b"\r\nuntil the end": b"until the end",
    ok(gzip.compress(b"hello", mtime=0), b"Content-Encoding: gzip"): b"hello",
    ok(b"hello") + b"surplus": b"hello",
    ok(b"hello")[:-1]: "upstream_cut",
    chunked(b"hello")[:-2]: "upstream_cut",
    HEAD[:-4]: "upstream_cut",
    HEAD + b"Content-Length: x\r\n\r\n": "bad_upstream_reply",
    chunked(b"hello")[:-5] + b"zz\r\n": "bad_upstream_reply",
    ok(gzip.compress(b"hello", mtime=0)[:-3], b"Content-Encoding: gzip"): "bad_upstream_reply",
}


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=request.param) as runner:
        yield runner


async def outcome(parts: list[bytes], streamed: bool) -> bytes | str:
    """The body, or the type of the error; nothing may stay behind in the pool."""
    client = Client(UpstreamSettings())
    try:
        async with Hostile(says_once(*parts)) as server:
            if streamed:
                return b"".join(await Ask(client).stream(server.origin))
            return await Ask(client).read(server.origin)
    except GatewayError as error:
        assert client.stats()[server.origin] == (0, 0, 0)
        return error.kind.type
    finally:
        await client.aclose()


def test_outcome_does_not_depend_on_the_cuts(runner: asyncio.Runner) -> None:
    @settings(max_examples=150, deadline=None)
    @given(
        st.sampled_from(sorted(REPLIES)), st.lists(st.integers(1, 30), max_size=20), st.booleans()
    )
    def check(reply: bytes, sizes: list[int], streamed: bool) -> None:
        parts, rest = [], reply
        for size in sizes:
            parts.append(rest[:size])
            rest = rest[size:]
        parts = [part for part in [*parts, rest] if part]
        assert runner.run(outcome(parts, streamed)) == REPLIES[reply]

    check()
