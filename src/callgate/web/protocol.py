"""uvicorn's HTTP protocol, with the bounds and refusals that the contract asks for.

uvicorn keeps the connections, httptools parses what strangers send. What they leave open is closed
here: headers are bounded in size and in the time that they may take, refusals bear a request id, a
caller who hangs up is told to the application at once, and a response that was given before the
request had been read leaves it time to arrive.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import TYPE_CHECKING, Any

from httptools import HttpParserError, HttpParserUpgrade
from msgspec import Struct
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from callgate.errors import GatewayError
from callgate.web.chat import CHAT_PATH
from callgate.web.exchange import EXCHANGE, Exchange
from callgate.web.target import split_target

if TYPE_CHECKING:
    from callgate.web.gate import Gate

_CHAT_URL = CHAT_PATH.encode()
_LINGER = 2.0
_LAST_REQUEST = 5.0
_NOT_HTTP = "Invalid HTTP request received"
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
_MAX_PIPELINED = 100


class Bounds(Struct, frozen=True, kw_only=True):
    """What a connection may take: bytes of headers; seconds for them, a body, and in between."""

    header_bytes: int
    head_seconds: float
    body_seconds: float
    idle_seconds: float


class Door:
    """Makes the protocol of each connection, as uvicorn wants it of a class.

    `retiring`: the process takes no more connections, and ends those it has.
    """

    __slots__ = ("bounds", "gate", "retiring")

    def __init__(self, gate: Gate, bounds: Bounds) -> None:
        self.gate = gate
        self.bounds = bounds
        self.retiring = False

    def __call__(self, *args: Any, **kwargs: Any) -> GateProtocol:
        """The protocol of a new connection."""
        return GateProtocol(self, *args, **kwargs)


class GateProtocol(HttpToolsProtocol):
    """One connection of a caller."""

    def __init__(self, door: Door, *args: Any, **kwargs: Any) -> None:
        self.door = door
        self.gate = door.gate
        self.bounds = door.bounds
        self._headers: dict[bytes, bytes] = {}
        # httptools calls this for each header: a method of the dict costs no Python frame.
        self.on_header = self._headers.__setitem__  # type: ignore[method-assign,assignment]
        super().__init__(*args, **kwargs)
        self._exchange: Exchange | None = None
        self._waiting: deque[Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._in_head = self._amid_read = False
        self._refused: GatewayError | None = None
        self._read_bytes = self._first_bytes = self._later_bytes = 0
        self._quiet_since = 0.0
        self._timer: asyncio.TimerHandle | None = None

    # --- the connection -------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._quiet_since = self.loop.time()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._waiting.clear()
        self.flow.resume_writing()
        if self._exchange is not None:
            self._exchange.gone = not self._exchange.complete
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.parser = None  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if self._refused is not None:
            return
        self._read_bytes = len(data)
        self._later_bytes += len(data)
        self._amid_read = self._amid_body()
        if b"pgrade:" in data and not self._amid_read:
            data = _without_upgrade(data)
        try:
            self.parser.feed_data(data)
        except HttpParserUpgrade:  # an upgrade that came in pieces: only this request is served
            self._newest().keep_alive = False
        except HttpParserError:
            self._refuse(self._refused or GatewayError("bad_http", _NOT_HTTP))
            return
        if self._in_head:
            if self._is_too_large():
                self._refuse(_too_large(self.bounds))
        elif self._later_bytes > self.bounds.header_bytes and self._amid_body():
            self._refuse(_too_large(self.bounds))  # endless trailers, or a chunk's extensions

    def shutdown(self) -> None:
        """Called by the server when it stops: finish what is being done and close.

        A caller may just be sending on an idle connection, or will be once a stream has ended whose
        head does not announce the end of the connection. A worker that retires has the time to
        answer that, and ends the connection with the answer.
        """
        if self._exchange is None or self._exchange.complete:
            if self.door.retiring:
                self._close_soon()
            else:
                self.transport.close()
        elif not (self.door.retiring and self._exchange.started):
            self._exchange.keep_alive = False

    def _close_soon(self) -> None:
        self.loop.call_later(_LAST_REQUEST, self._close_if_idle)

    def _close_if_idle(self) -> None:
        if self._exchange is None or self._exchange.complete:
            self.transport.close()

    # --- the parser's callbacks -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        self.url = b""
        self._headers.clear()
        self._in_head = True
        # A read may end one request and begin the next: then its bytes are not this head's.
        self._first_bytes = 0 if self._amid_read else self._read_bytes
        self._later_bytes = 0
        self._amid_read = True
        if self._exchange is None or self._exchange.complete:
            self._quiet_since = self.loop.time()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._is_too_large():
            self._refused = _too_large(self.bounds)
            raise ValueError("headers too large")  # ends the parser's work
        if len(self._waiting) >= _MAX_PIPELINED:
            self._refused = GatewayError("bad_http", "Too many requests were sent ahead")
            raise ValueError("pipelined too far")
        self._later_bytes = 0
        headers = {name.lower(): value for name, value in self._headers.items()}
        version = self.parser.get_http_version()
        path, raw_path, query = (
            (CHAT_PATH, _CHAT_URL, b"") if self.url == _CHAT_URL else split_target(self.url)
        )
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": self.parser.get_method().decode("ascii"),
            "scheme": self.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": list(headers.items()),
            "client": self.client,
            "server": self.server,
        }
        exchange = Exchange(
            scope,
            self.transport,
            self.flow,
            self.server_state.default_headers,
            version != "1.0" and not self.door.retiring and self.parser.should_keep_alive(),
            self._completed,
            self.loop.time(),
        )
        scope[EXCHANGE] = exchange
        if b"expect" in headers:
            exchange.expects_continue = headers[b"expect"].lower() == b"100-continue"
        if self._exchange is None or self._exchange.complete:
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self.flow.pause_reading()

    def on_body(self, body: bytes) -> None:
        self._later_bytes = 0
        exchange = self._newest()
        if not exchange.complete:
            exchange.feed(body)

    def on_message_complete(self) -> None:
        exchange = self._newest()
        exchange.more = False
        exchange.wake()
        if exchange.complete:  # it was answered early: now the caller has said all it had to
            self.transport.close()

    # --- requests in progress -------------------------------------------------------------------

    def _amid_body(self) -> bool:
        return self._exchange is not None and not self._in_head and self._newest().more

    def _newest(self) -> Exchange:
        exchange = self._waiting[-1] if self._waiting else self._exchange
        assert exchange is not None
        return exchange

    def _begin(self, exchange: Exchange) -> None:
        self._exchange = exchange
        if self._task is None:
            self._task = self.loop.create_task(self._serve())
            self._task.add_done_callback(self.tasks.discard)  # even if it never begins
        elif self._idle is not None and not self._idle.done():
            self._idle.set_result(None)
        self.tasks.add(self._task)

    async def _serve(self) -> None:
        """One task serves all the requests of a connection: a task for each would cost more."""
        task: asyncio.Task[None] | None = None
        try:
            while True:
                task, exchange = self._task, self._exchange
                assert task is not None
                assert exchange is not None
                try:
                    await self.gate(exchange.scope, exchange.receive, exchange.send)
                finally:
                    exchange.scope.pop(EXCHANGE, None)  # which refers to the scope
                if not exchange.complete:
                    return
                if exchange is self._exchange:
                    self.tasks.discard(task)
                    self._idle = self.loop.create_future()
                    await self._idle
                    self._idle = None
        finally:
            # The task remembers how it was cancelled, hence this frame: without this, each
            # connection would be left to the garbage collector.
            task = self._exchange = None
            self.transport.close()  # what was begun and cannot be ended is broken off

    def _completed(self, exchange: Exchange) -> None:
        """The response has been written."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if exchange.more:
            # Closing now could reset the connection before the caller has read the answer.
            self.loop.call_later(_LINGER, self.transport.close)
        elif not exchange.keep_alive:
            self.transport.close()
        elif self._waiting:
            self._begin(self._waiting.popleft())
        elif self._refused is not None:
            self._tell(self._refused)
        else:
            self._quiet_since = self.loop.time()
            if self.door.retiring:
                self._close_soon()

    # --- bounds and refusals --------------------------------------------------------------------

    def _is_too_large(self) -> bool:
        if self._first_bytes + self._later_bytes <= self.bounds.header_bytes:
            return False
        if self._in_head:  # nothing but this head was read
            return True
        parsed = sum(len(name) + len(value) + 4 for name, value in self._headers.items())
        return len(self.url) + parsed > self.bounds.header_bytes

    def _watch(self) -> None:
        # One timer a connection, which looks now and then, costs nothing per request.
        bounds = self.bounds
        shortest = min(bounds.head_seconds, bounds.body_seconds, bounds.idle_seconds)
        self._timer = self.loop.call_later(shortest / 4, self._look)

    def _look(self) -> None:
        """Is the connection idle, a head or a body under way, for too long?"""
        if self.transport.is_closing():
            return
        now, bounds, exchange = self.loop.time(), self.bounds, self._exchange
        if exchange is not None and not exchange.complete:
            if exchange.more and now - exchange.begun > bounds.body_seconds:
                exchange.fail(_late("body", bounds.body_seconds))
        elif self._in_head and now - self._quiet_since > bounds.head_seconds:
            self._refuse(_late("headers", bounds.head_seconds))
            return
        elif now - self._quiet_since > bounds.idle_seconds:
            self.transport.close()
            return
        self._watch()

    def _refuse(self, error: GatewayError) -> None:
        """Read no further, and say why once the responses that are due have been given."""
        self._refused = error
        if self._amid_body():  # then it is that request which is refused
            if self._newest().complete:
                self.transport.close()
            else:
                self._newest().fail(error)
        elif self._exchange is None or self._exchange.complete:
            self._tell(error)

    def _tell(self, error: GatewayError) -> None:
        """Answer what never became a request, and hang up."""
        if self.transport.is_closing():
            return
        client = self.client[0] if self.client else None
        request_id, body = self.gate.refuse_unparsed(error, client)
        defaults = b"".join(b"%b: %b\r\n" % pair for pair in self.server_state.default_headers)
        self.transport.write(
            b"%b%bcontent-type: application/json\r\ncontent-length: %d\r\n"
            b"x-request-id: %b\r\nserver-timing: gateway;dur=0, upstream;dur=0\r\n"
            b"connection: close\r\n\r\n%b"
            % (STATUS_LINE[error.kind.status], defaults, len(body), request_id.encode(), body)
        )
        self.transport.close()


def _too_large(bounds: Bounds) -> GatewayError:
    return GatewayError(
        "headers_too_large", f"The headers are larger than {bounds.header_bytes:,} bytes"
    )


def _late(what: str, seconds: float) -> GatewayError:
    return GatewayError(
        "request_timeout", f"The request's {what} did not arrive within {seconds:g} s"
    )


def _without_upgrade(data: bytes) -> bytes:
    """Blot out `Upgrade` in a head: the parser would take the body for another protocol's.

    Java's HttpClient offers h2c with every request; a server may ignore that (RFC 9110, 7.8).
    """
    head, end, body = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"\r\nx-ignored:", head) + end + body
