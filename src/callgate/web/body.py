"""Reading a request's body, bounded in size and time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from callgate.errors import GatewayError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def read_body(
    receive: Receive, headers: Mapping[bytes, bytes], limit: int, timeout: float
) -> bytes:
    """The whole body, at most `limit` bytes, arriving within `timeout` seconds.

    Raises GatewayError `request_too_large` (before reading, where the length is declared),
    `request_timeout` or `client_disconnected`.
    """
    declared = headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared) > limit:
        raise _too_large(limit)
    try:
        async with asyncio.timeout(timeout):
            return await _read(receive, limit)
    except TimeoutError:
        raise GatewayError(
            "request_timeout", f"The body did not arrive within {timeout:g} s"
        ) from None


async def _read(receive: Receive, limit: int) -> bytes:
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GatewayError(
                "client_disconnected", "The caller closed the connection amid the body"
            )
        piece = message.get("body", b"")
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        if not message.get("more_body", False):
            return piece if not pieces else b"".join([*pieces, piece])
        pieces.append(piece)


def _too_large(limit: int) -> GatewayError:
    return GatewayError("request_too_large", f"The body is larger than {limit:,} bytes")
