"""One connection of a caller: the I/O around `RequestReader`, and the task that serves it.

uvicorn accepts connections and tells when to stop. Here refusals get a request id, a caller who
hangs up is told to the application at once, and a response that was given before the request had
been read is left time to arrive. What takes too long is ended by `timer`.
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
    """A transport, the request in progress on it, and those that were sent ahead."""

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
        self._proxies: TrustedProxies | None = None  # only where the other end is one of them
        self._server: tuple[str, int | None] | None = None
        self.exchange: Exchange | None = None  # which is being answered, or was last
        self._waiting: deque[Exchange] = deque()
        self._task: asyncio.Task[None] | None = None
        self._idle: asyncio.Future[None] | None = None
        self._refused: GatewayError | None = None
        self._host: bytes | None = b""  # the last one that was found sound
        self._timer = ConnectionTimer(self, door.bounds, loop)
        self._scarce = False

    # --- the event loop's callbacks, and the server's -------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Begin to read."""
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
        """The caller is gone: so is what was begun for him."""
        self._state.connections.discard(self)
        self._timer.stop()
        self._waiting.clear()
        self.flow.resume_writing()
        if self.exchange is not None:
            self.exchange.gone = not self.exchange.complete
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.parser = None  # which refers to this

    def data_received(self, data: bytes) -> None:
        """Take what has been read, unless nothing of it will be answered."""
        if self._refused is None:
            self.feed(data)

    def eof_received(self) -> bool:
        """The caller sends no more: whether there is an answer for which he may still listen."""
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
        """Called by the server when it stops: finish what is being done and close.

        A caller may just be sending on an idle connection, or will be once a stream has ended whose
        head does not announce the end of the connection. A worker that retires has the time to
        answer that, and ends the connection with the answer.
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
        """Close if it has been idle for a while: its descriptor is needed elsewhere."""
        idle = self.is_free() and not self.amid_head
        if idle and self._timer.quiet_for() > _IDLE_ENOUGH:
            self.transport.close()

    # --- what the reader tells ------------------------------------------------------------------

    def head_begun(self) -> None:
        """A connection that begins to ask is not idle."""
        if self.is_free():
            self._timer.quiet_since = self._loop.time()

    def head_read(self) -> GatewayError | None:
        """Serve the request, or let it wait for those before it."""
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
        if self._scarce:  # what it holds is kept back for those who look after the gateway
            exchange.keep_alive = False
            exchange.fail(shortage())
        if self.is_free():
            self._begin(exchange)
        else:
            self._waiting.append(exchange)
            self.flow.pause_reading()
        return None

    def body_read(self, body: bytes) -> None:
        """Hand a piece of the newest request's body to who serves it."""
        exchange = self._newest()
        if exchange.complete:
            self._timer.quiet_since = self._loop.time()  # he is still at it
        else:
            exchange.feed(body)

    def request_read(self) -> None:
        """The newest request has arrived to its end."""
        exchange = self._newest()
        exchange.more = False
        exchange.wake()
        if exchange.complete:  # it was answered early: now the caller has said all it had to
            self.transport.close()
            raise ValueError("answered")  # ends the parser's work: what follows is for nobody

    def upgraded(self) -> None:
        """Only this request is served."""
        self._newest().keep_alive = False

    def refused(self, error: GatewayError) -> None:
        """Read no further, and say why once the responses that are due have been given."""
        self._refused = error
        if self.amid_body:  # then it is that request which is refused
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
        """Whether nothing that comes is read any more."""
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
        else:  # the parser knows more of them
            raise ValueError("no version that is spoken here")
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
            # The task remembers how it was cancelled, hence this frame: without this, each
            # connection would be left to the garbage collector.
            self.exchange = None
            self.transport.close()  # what was begun and cannot be ended is broken off

    def default_lines(self) -> bytes:
        """The headers that every response carries, as lines."""
        return self.door.default_lines(self._state)

    def body_taken(self) -> None:
        """Read on after the end of a large body, or nobody would learn that the caller left."""
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
            following.begun = self._loop.time()  # until now the caller was kept from sending it
            self._begin(following)
        elif self._refused is not None:
            self._tell(self._refused)
        else:
            self._timer.quiet_since = self._loop.time()
            if self.door.retiring:
                self._timer.close_soon()

    def _tell(self, error: GatewayError) -> None:
        """Answer what never became a request, and say nothing more."""
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
        # What else he has sent is not read: closing now could reset the connection before he has
        # read this.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._loop.call_later(LINGER, self.transport.close)
