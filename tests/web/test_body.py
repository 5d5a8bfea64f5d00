"""Reading a request's body."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.errors import GatewayError
from callgate.web.body import Receive, read_body


def arriving(*pieces: bytes, end: bool = True) -> Receive:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]
    if end:
        messages.append({"type": "http.request", "body": b"", "more_body": False})
    messages.append({"type": "http.disconnect"})
    left = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left)

    return receive


async def test_pieces_are_joined_up_to_the_limit() -> None:
    assert await read_body(arriving(b"ab", b"c", b""), {}, 3) == b"abc"
    assert await read_body(arriving(), {}, 3) == b""


async def test_too_much_is_noticed_as_it_comes() -> None:
    with pytest.raises(GatewayError) as caught:
        await read_body(arriving(b"ab", b"cd", end=False), {b"content-length": b"4"}, 3)
    assert caught.value.kind.type == "request_too_large"
    with pytest.raises(GatewayError) as caught:  # though less was declared, or nothing
        await read_body(arriving(b"ab", b"cd"), {}, 3)
    assert caught.value.kind.type == "request_too_large"


@pytest.mark.parametrize("declared", [b"4", b"9" * 30, b"9" * 60_000])
async def test_too_much_is_noticed_before_it_comes(declared: bytes) -> None:
    with pytest.raises(GatewayError) as caught:
        await read_body(arriving(end=False), {b"content-length": declared}, 3)
    assert caught.value.kind.type == "request_too_large"


@pytest.mark.parametrize("declared", [b"-1", b"x", b"", b"3"])
async def test_what_is_declared_is_only_a_hint(declared: bytes) -> None:
    assert await read_body(arriving(b"abc"), {b"content-length": declared}, 3) == b"abc"


async def test_whoever_leaves_amid_the_body_is_on_record_as_gone() -> None:
    with pytest.raises(GatewayError) as caught:
        await read_body(arriving(b"a", end=False), {}, 3)
    assert caught.value.kind.type == "client_disconnected"
