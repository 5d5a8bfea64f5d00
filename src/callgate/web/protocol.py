"""One connection of a caller: the I/O around `RequestReader`, and the task that serves it.

uvicorn accepts connections and says when to stop. This class gives refusals a request id, tells
the application at once when the caller hangs up, and leaves an early response time to arrive while
the request is still being sent. `timer` ends whatever takes too long.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import get_local_addr, get_remote_addr

from callgate.core.forwarded import TrustedProxies
from callgate.errors import GatewayError
from callgate.files import shortage
from callgate.web.chat import CHAT_PATH
from callgate.web.credentials import SEVERAL
from callgate.web.exchange import Exchange
from callgate.web.flow import Flow
from callgate.web.head import Head
from callgate.web.malformed import coding_fault, host_fault
from callgate.web.reader import RequestReader
from callgate.web.target import split_target
from callgate.web.timer import LINGER, ConnectionTimer

if TYPE_CHECKING:
    from uvicorn.server import ServerState

    from callgate.web.door import Door

_CHAT_URL: Final = CHAT_PATH.encode()
_AUTHORIZATION: Final = b"authorization"
_HOST: Final = b"host"
_TRANSFER_ENCODING: Final = b"transfer-encoding"
_IDLE_ENOUGH = 5.0
_MAX_PIPELINED: Final = 100


class GateProtocol(RequestReader):
    """A transport, the request in progress on it, and the pipelined ones behind it."""

    __slots__ = (
        "_client", "_host", "_idle", "_loop", "_proxies", "_refused", "_scarce", "_server",
        "_state", "_task", "_timer", "_waiting", "door", "exchange", "flow", "transport",
    )  # fmt: skip

    def __init__(self, door: Door, state: ServerState, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(door.bounds.header_bytes, joins=door.proxies is not None)
        self.door = door
        self.transport: asyncio.Transport  # these are set by connection_made
        self.flow: Flow
        self._state = state
        self._loop = loop
        self._client: tuple[str, int] | None = None
        self._proxies: TrustedProxies | None = None  # only if the peer is one of them
        self._server: tuple[str, int | None] | None = None
        self.exchange: Exchange | None = None  # the current one, or the last
        self._waiting: deque[Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._refused: GatewayError | None = None
        self._host: bytes | None = b""  # the last one found valid: it need not be checked again
        self._timer = ConnectionTimer(self, door.bounds, loop)
        self._scarce = False

    # --- the event loop's callbacks, and the server's -------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Start reading."""
        self._state.connections.add(self)  # type: ignore[arg-type]
        self.transport = transport
        self.flow = Flow(transport)
        self._client = get_remote_addr(transport)
        self._server = get_local_addr(transport)
        proxies = self.door.proxies
        if proxies is not None and self._client is not None and proxies.trusts(self._client[0]):
            self._proxies = proxies
        accepted = transport.get_extra_info("socket")
        self._scarce = accepted is not None and accepted.fileno() >= self.door.files.bound
        self._timer.quiet_since = self._loop.time()
        self._timer.start()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller has left: end what was in progress for it."""
        self._state.connections.discard(self)
        self._timer.stop()
        self._waiting.clear()
        self.flow.resume_writing()
        if self.exchange is not None:
            self.exchange.gone = not self.exchange.complete
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.parser = None  # break the reference cycle

    def data_received(self, data: bytes) -> None:
        """Parse what has been read, unless the connection has been refused."""
        if self._refused is None:
            self.feed(data)

    def eof_received(self) -> bool:
        """The caller sends no more; true keeps the connection open for an answer still due."""
        exchange = self.exchange
        if exchange is None or exchange.started or exchange.head.version == "1.0":
            return False
        newest = self._newest()
        if newest.more:
            return False
        newest.keep_alive = False
        self.flow.ask_whether_there(self._loop)
        return True

    def pause_writing(self) -> None:
        """The caller reads too slowly."""
        self.flow.pause_writing()

    def resume_writing(self) -> None:
        """The caller has caught up."""
        self.flow.resume_writing()

    def shutdown(self) -> None:
        """Called by the server when it stops: finish the request in progress and close.

        A caller may be about to send another request: on an idle connection, or after a stream
        whose head, already sent, did not announce the close. A retiring worker has time to answer
        it, and closes the connection with that answer.
        """
        exchange = self.exchange
        if exchange is None or exchange.complete:
            if self.door.retiring:
                self._timer.close_soon()
            else:
                self.transport.close()
        elif not (self.door.retiring and exchange.started):
            exchange.keep_alive = False

    def make_way(self) -> None:
        """Close if idle for a while: its file descriptor is needed elsewhere."""
        idle = self.is_free() and not self.amid_head
        if idle and self._timer.quiet_for() > _IDLE_ENOUGH:
            self.transport.close()

    # --- called by the reader -------------------------------------------------------------------

    def head_begun(self) -> None:
        """A connection on which a request begins is not idle."""
        if self.is_free():
            self._timer.quiet_since = self._loop.time()

    def head_read(self) -> GatewayError | None:
        """Serve the request, or queue it behind those before it."""
        if len(self._waiting) >= _MAX_PIPELINED:
            return GatewayError("bad_http", "Too many requests were sent ahead")
        headers, repeated = self.headers, self.repeated
        host = headers.get(_HOST)
        if repeated or host != self._host:
            fault = host_fault(host, _HOST in repeated, self.parser.get_http_version())
            if fault is not None:
                return fault
            self._host = host
            if _AUTHORIZATION in repeated:
                headers[_AUTHORIZATION] = SEVERAL
        codings = headers.get(_TRANSFER_ENCODING)
        if codings is not None:
            fault = coding_fault(codings, _TRANSFER_ENCODING in repeated)
            if fault is not None:
                return fault
        exchange = self._new_exchange(headers)
        if self._scarce:  # its descriptor is reserved for the gateway's operators
            exchange.keep_alive = False
            exchange.fail(shortage())
        if self.is_free():
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self.flow.pause_reading()
        return None

    def body_read(self, body: bytes) -> None:
        """Pass a piece of the newest request's body on to its exchange."""
        exchange = self._newest()
        if exchange.complete:
            self._timer.quiet_since = self._loop.time()  # the caller is still sending
        else:
            exchange.feed(body)

    def request_read(self) -> None:
        """The newest request has arrived completely."""
        exchange = self._newest()
        exchange.more = False
        exchange.wake()
        if exchange.complete:  # it was answered early; only now has the caller finished sending
            self.transport.close()
            raise ValueError("answered")  # stops the parser: whatever follows is ignored

    def upgraded(self) -> None:
        """Close after this request."""
        self._newest().keep_alive = False

    def refused(self, error: GatewayError) -> None:
        """Stop reading, and say why once the responses already due have been sent."""
        self._refused = error
        if self.amid_body:  # then the error belongs to that request
            exchange = self._newest()
            if exchange.complete:
                self.transport.close()
            else:
                exchange.fail(error)
        elif self.is_free():
            self._tell(error)

    # --- requests in progress -------------------------------------------------------------------

    def is_free(self) -> bool:
        """Whether no request is being answered."""
        exchange = self.exchange
        return exchange is None or exchange.complete

    def is_refused(self) -> bool:
        """Whether reading has stopped for good."""
        return self._refused is not None

    def _newest(self) -> Exchange:
        exchange = self._waiting[-1] if self._waiting else self.exchange
        assert exchange is not None
        return exchange

    def _new_exchange(self, headers: dict[bytes, bytes]) -> Exchange:
        parser, url = self.parser, self.url
        version: str = parser.get_http_version()
        if url == _CHAT_URL:
            path, raw_path, query = CHAT_PATH, url, b""
        else:
            path, raw_path, query = split_target(url)
        client = self._client
        if self._proxies is not None and client is not None:
            client = self._proxies.behind(client, headers)
        if version == "1.1":
            keep = not self.door.retiring and parser.should_keep_alive()
        elif version == "1.0":
            keep = False
        else:  # the parser accepts other versions, too
            raise ValueError("unsupported HTTP version")
        method: bytes = parser.get_method()
        head = Head(
            method.decode("ascii"),
            path,
            raw_path,
            query,
            version,
            headers,
            client,
            self._server,
        )
        return Exchange(self, head, keep, self._loop.time())

    def _begin(self, exchange: Exchange) -> None:
        self.exchange = exchange
        idle = self._idle
        if self._task is None:
            tasks = self._state.tasks
            self._task = self._loop.create_task(self._serve())
            self._task.add_done_callback(tasks.discard)
            tasks.add(self._task)
        elif idle is not None and not idle.done():
            idle.set_result(None)

    async def _serve(self) -> None:
        """One task serves all the requests of a connection: a task for each would cost more."""
        gate = self.door.gate
        try:
            while True:
                exchange = self.exchange
                assert exchange is not None
                await gate.serve(exchange.head, exchange)
                if not exchange.complete:
                    return
                if exchange is self.exchange:
                    self._idle = idle = self._loop.create_future()
                    await idle
                    self._idle = None
        finally:
            # A cancelled task keeps its exception, whose traceback refers to this frame: without
            # this, every connection would be left to the garbage collector.
            self.exchange = None
            self.transport.close()  # a response that cannot be completed is cut off

    def default_lines(self) -> bytes:
        """The headers that every response carries, as lines."""
        return self.door.default_lines(self._state)

    def body_taken(self) -> None:
        """Resume reading after a large body, in order to notice if the caller leaves."""
        if not self._waiting:
            self.flow.resume_reading()

    def completed(self, exchange: Exchange) -> None:
        """The response has been written."""
        self._state.total_requests += 1
        transport = self.transport
        if transport.is_closing():
            return
        self.flow.resume_reading()
        if exchange.more:
            self._timer.linger(briefly=self._scarce)
        elif not exchange.keep_alive:
            transport.close()
        elif self._waiting:
            following = self._waiting.popleft()
            following.begun = self._loop.time()  # reading was paused until now
            self._begin(following)
        elif self._refused is not None:
            self._tell(self._refused)
        else:
            self._timer.quiet_since = self._loop.time()
            if self.door.retiring:
                self._timer.close_soon()

    def _tell(self, error: GatewayError) -> None:
        """Answer bytes that never became a request, and close."""
        if self.transport.is_closing():
            return
        client = self._client[0] if self._client else None
        request_id, body = self.door.gate.refuse_unparsed(error, client)
        self.transport.write(
            b"%b%bcontent-type: application/json\r\ncontent-length: %d\r\n"
            b"x-request-id: %b\r\nserver-timing: gateway;dur=0, upstream;dur=0\r\n"
            b"connection: close\r\n\r\n%b"
            % (
                STATUS_LINE[error.kind.status],
                self.default_lines(),
                len(body),
                request_id.encode(),
                body,
            )
        )
        # Whatever else the caller has sent stays unread: closing at once could reset the
        # connection before this answer has been read.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._loop.call_later(LINGER, self.transport.close)
