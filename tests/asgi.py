"""A gate as an application of ASGI, so that httpx can ask it without a connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from callgate.web.body import Message, Receive, Send
from callgate.web.gate import Gate
from callgate.web.head import Head


def asgi(gate: Gate) -> Callable[..., Awaitable[None]]:
    """The application."""

    async def serve(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        head = Head(
            scope["method"],
            scope["path"],
            scope["raw_path"],
            scope["query_string"],
            scope["http_version"],
            dict(scope["headers"]),
            scope["client"],
            scope["server"],
        )
        await gate.serve(head, _Relayed(receive, send))

    return serve


class _Relayed:
    """A request that comes and is answered by ASGI's messages alone; implements `Incoming`."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self.receive = receive
        self._send = send
        self.gone = self.unread = False

    async def send(self, message: Message, /) -> None:
        await self._send(message)

    def arrived(self, _limit: int, /) -> None:
        """Of the body nothing is here yet: it has to be received."""

    def push(self, _body: bytes) -> bool:
        return False

    def respond(self, *_: object) -> bool:
        return False

    def start(self, *_: object) -> bool:
        return False
