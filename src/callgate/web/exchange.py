"""One request and its response on a connection: the ASGI side of `web.protocol`.

It is cheaper per request than uvicorn's own cycle: the head of a response waits for the first piece
of its body, so that both go out in one write, and header values, all of them our own, are not
searched for illegal characters.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from callgate.errors import GatewayError
from callgate.web.body import Message
from callgate.web.head import Head

if TYPE_CHECKING:
    from callgate.web.protocol import GateProtocol

HIGH_WATER: Final = 64 * 1024
_BODYLESS: Final = (204, 304)


class Incoming(Protocol):
    """A request on its way in and its response on its way out, as the gate sees them.

    `gone`: the caller has hung up; `unread`: the gateway has, because the caller does not read the
    response.
    """

    gone: bool
    unread: bool

    async def receive(self) -> Message:
        """The next piece of the request's body, as ASGI has it."""
        ...

    async def send(self, message: Message, /) -> None:
        """Send a part of the response, as ASGI has it."""
        ...

    def arrived(self, limit: int, /) -> bytes | None:
        """The request's whole body if it has arrived already and is within the limit."""
        ...

    def push(self, body: bytes) -> bool:
        """Write a further piece of a streamed body at once; whether the next may follow so."""
        ...

    def respond(self, status: int, lines: bytes, body: bytes) -> bool:
        """Write a whole response at once, with its length; False if `send` has to be used."""
        ...

    def start(self, status: int, lines: bytes) -> bool:
        """Begin a streamed response, continued by `send`; False if `send` has to begin it, too."""
        ...


class Exchange:
    """One request and its response; implements `Incoming`.

    `complete`: the whole response has been written; `more`: part of the request's body has yet to
    arrive; `keep_alive`: the connection may serve another request; `begun`: when the wait for the
    body began, on the event loop's clock.
    """

    __slots__ = (
        "_buffered", "_connection", "_error", "_expects_continue", "_flow", "_head", "_head_only",
        "_pieces", "_transport", "_waiter", "begun", "chunked", "complete", "gone", "head",
        "keep_alive", "more", "started", "unread",
    )  # fmt: skip

    def __init__(
        self,
        connection: GateProtocol,
        head: Head,
        keep_alive: bool,
        begun: float,
    ) -> None:
        self.head = head
        self.begun = begun
        self.keep_alive = keep_alive
        self.more = True
        self.gone = self.started = self.complete = self.chunked = self.unread = False
        self._connection = connection
        self._transport = connection.transport
        self._flow = connection.flow
        expected = head.headers.get(b"expect")
        self._expects_continue = (
            expected is not None
            and expected.lower() == b"100-continue"
            and head.version != "1.0"  # which does not have it (RFC 9110, 10.1.1)
        )
        self._head = b""
        self._head_only = head.method == "HEAD"
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._waiter: asyncio.Future[None] | None = None
        self._error: GatewayError | None = None

    # --- called by the protocol ---------------------------------------------------------------

    def feed(self, piece: bytes) -> None:
        """Take a piece of the request's body."""
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._buffered > HIGH_WATER:
            self._flow.pause_reading()
        if self._waiter is not None:
            self.wake()

    def wake(self) -> None:
        """Wake `receive`: something has changed."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def fail(self, error: GatewayError) -> None:
        """Give up on the body: `receive` raises the error."""
        self._error = error
        self.wake()

    # --- called by the application ------------------------------------------------------------

    def arrived(self, limit: int) -> bytes | None:
        """The request's whole body if it has arrived already and is within `limit` bytes."""
        if self.more or self.gone or self.complete or self._buffered > limit:
            return None
        if self._error is not None:
            return None
        return self._take()

    async def receive(self) -> Message:
        """The next piece of the request's body, as soon as there is one.

        Raises the GatewayError that `fail` was given.
        """
        if self._expects_continue and self.more and not self.started:
            self._expects_continue = False
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while not self.gone and not self.complete:
            if self._error is not None:
                raise self._error
            if self._pieces or not self.more:
                break
            self._flow.resume_reading()
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if self.gone or self.complete:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": self._take(), "more_body": self.more}

    async def send(self, message: Message) -> None:
        """Write a part of the response; waits while the caller reads too slowly."""
        if self._flow.write_paused and not self.gone:
            await self._flow.drain()
        if self.gone:
            return
        if not self.started:
            self.started = True
            headers = message["headers"]
            sized = any(name == b"content-length" for name, _ in reversed(headers))
            lines = b"".join([b"%b: %b\r\n" % (name, value) for name, value in headers])
            self._head = self._render(message["status"], lines, sized=sized)
            return
        if self.complete:
            raise RuntimeError("the response is complete already")
        body = message.get("body", b"")
        more = message.get("more_body", False)
        head, self._head = self._head, b""
        if self._head_only:
            data = head
        elif not self.chunked:
            data = head + body
        elif more:
            data = b"%b%x\r\n%b\r\n" % (head, len(body), body) if body else head
        elif body:
            data = b"%b%x\r\n%b\r\n0\r\n\r\n" % (head, len(body), body)
        else:
            data = head + b"0\r\n\r\n"
        self._transport.write(data)
        if not more:
            self.complete = True
            self._connection.completed(self)

    def push(self, body: bytes) -> bool:
        """Write a further piece of a streamed body, which `send` has begun, at once.

        Whether the next may follow likewise; if not, the caller reads too slowly, and `send` waits.
        """
        if self.gone:
            return False
        self._transport.write(b"%x\r\n%b\r\n" % (len(body), body) if self.chunked else body)
        return not self._flow.write_paused

    def start(self, status: int, lines: bytes) -> bool:
        """Begin a streamed response with these headers; they wait for the first piece of its body.

        False if the caller has left or reads too slowly: use `send`, which waits.
        """
        if self._flow.write_paused or self.gone:
            return False
        self.started = True
        self._head = self._render(status, lines, sized=False)
        return True

    def respond(self, status: int, lines: bytes, body: bytes) -> bool:
        """Write a whole response at once, with its length.

        False if the caller has left or reads too slowly: use `send`, which waits.
        """
        if self._flow.write_paused or self.gone:
            return False
        self.started = self.complete = True
        lines = b"%bcontent-length: %d\r\n" % (lines, len(body))
        head = self._render(status, lines, sized=True)
        if self._head_only:
            self._transport.write(head)
        elif len(body) <= HIGH_WATER:
            self._transport.write(head + body)
        else:  # the transport gathers both into one write, without copying a large body
            self._transport.write(head)
            self._transport.write(body)
        self._connection.completed(self)
        return True

    def _take(self) -> bytes:
        """What has arrived of the body since the last time."""
        pieces, size = self._pieces, self._buffered
        self._pieces = []
        self._buffered = 0
        if size > HIGH_WATER and not self.more:
            self._connection.body_taken()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _render(self, status: int, lines: bytes, *, sized: bool) -> bytes:
        if not sized and not self._head_only and status not in _BODYLESS:
            if self.head.version == "1.0":
                self.keep_alive = False  # RFC 9112, 7.1: no chunks; the end is the close
            else:
                self.chunked = True
                lines += b"transfer-encoding: chunked\r\n"
        if self.more:
            self.keep_alive = False  # the rest of the request will only be discarded
        if not self.keep_alive:
            lines += b"connection: close\r\n"
        return b"%b%b%b\r\n" % (STATUS_LINE[status], self._connection.default_lines(), lines)
