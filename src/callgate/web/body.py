"""Reading a request's body, bounded in size; the connection bounds the time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from callgate.errors import GatewayError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


async def read_body(receive: Receive, headers: Mapping[bytes, bytes], limit: int) -> bytes:
    """The whole body, at most `limit` bytes.

    Raises GatewayError `request_too_large` (before reading, if the length is declared),
    `client_disconnected`, and what `receive` raises.
    """
    declared = headers.get(b"content-length")
    if declared is not None and declared.isdigit() and int(declared[:20]) > limit:
        raise _too_large(limit)
    pieces: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GatewayError(
                "client_disconnected", "The caller closed the connection during the body"
            )
        piece: bytes = message["body"]
        size += len(piece)
        if size > limit:
            raise _too_large(limit)
        if not message["more_body"]:
            return piece if not pieces else b"".join([*pieces, piece])
        pieces.append(piece)


def _too_large(limit: int) -> GatewayError:
    return GatewayError("request_too_large", f"The body is larger than {limit:,} bytes")
