"""The gate behind an ASGI server other than its own."""

from __future__ import annotations

from callgate.web.body import Message, Receive, Send


class Relayed:
    """A request that comes and is answered by ASGI's messages alone; implements `Incoming`."""

    __slots__ = ("_receive", "_send", "gone", "pushes", "unread")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.gone = self.unread = self.pushes = False

    async def receive(self) -> Message:
        """The next piece of the request's body."""
        return await self._receive()

    async def send(self, message: Message, /) -> None:
        """Send a part of the response."""
        await self._send(message)

    def arrived(self, _limit: int, /) -> None:
        """Of the body nothing is here yet: it has to be received."""

    def push(self, _body: bytes) -> bool:
        """Nothing can be written at once."""
        return False

    def respond(self, *_: object) -> bool:
        """Nothing can be written at once."""
        return False

    def start(self, *_: object) -> bool:
        """Nothing can be written at once."""
        return False
