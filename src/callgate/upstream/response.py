"""A response whose head has arrived and whose body may still be on its way."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping

from callgate.errors import GatewayError
from callgate.upstream import failure
from callgate.upstream.connection import Connection
from callgate.upstream.decoding import Inflater, inflater
from callgate.upstream.reader import BODY, COMPLETE

_PIECE = 256 * 1024
_TOO_LARGE = "a larger body than is accepted"


class Response:
    """`headers` has lower-case names and comma-joined repeats.

    `connect_us` is the time it took to get a new connection, None for one that was used before;
    `headers_us` the time from the request's first byte to the response's head. For one task at a
    time. A GatewayError out of `read` or `receive` ends the response.
    """

    __slots__ = (
        "_connection", "_error", "_inflater", "_whole", "connect_us", "headers", "headers_us",
        "status",
    )  # fmt: skip

    def __init__(self, connection: Connection, connect_us: int | None, headers_us: int) -> None:
        self.status: int = connection.status
        self.headers: Mapping[str, str] = connection.headers
        self.connect_us = connect_us
        self.headers_us = headers_us
        self._connection: Connection | None = connection
        self._error: GatewayError | None = None
        self._inflater: Inflater | None = None
        self._whole = False
        if "content-encoding" in self.headers and (
            connection.chunks or connection.phase != COMPLETE
        ):
            self._choose_inflater(connection)

    async def read(self, limit: int | None = None) -> bytes:
        """The whole body, decoded, of at most `limit` bytes (None: the client's own bound).

        Raises GatewayError `bad_upstream_reply` for a longer body or a broken coding,
        `upstream_cut` and `upstream_timeout`.
        """
        connection = self._connection
        if connection is None:
            return self._ended()
        bound = connection.pool.settings.max_body_bytes
        if limit is None or limit > bound:
            limit = bound
        if connection.phase == COMPLETE and self._inflater is None:
            data = b"".join(connection.chunks)
            if len(data) > limit:
                raise self._fail(failure.malformed(connection.pool.host, _TOO_LARGE))
            self._connection = None
            self._whole = True
            connection.finish()
            return data
        connection.patient = True
        pieces = []
        total = 0
        while piece := await self.receive():
            pieces.append(piece)
            total += len(piece)
            if total > limit:
                raise self._fail(failure.malformed(connection.pool.host, _TOO_LARGE))
        return b"".join(pieces)

    async def receive(self) -> bytes:
        """The next bytes of the body as they arrived, decoded; empty only at its proper end.

        Raises GatewayError `upstream_cut`, `upstream_timeout` and `bad_upstream_reply`, after
        everything that arrived before has been given out.
        """
        connection = self._connection
        if connection is None:
            return self._ended()
        while True:
            if self._inflater is not None and (data := self._inflate(connection)):
                return data
            if connection.chunks:
                if self._inflater is None:
                    return connection.take()
                self._inflater.push(connection.take())
            elif connection.phase == COMPLETE:
                if self._inflater is not None and not self._inflater.whole:
                    raise self._fail(_broken(connection))
                self._connection = None
                self._whole = True
                connection.finish()
                return b""
            elif connection.error is not None:
                raise self._fail(connection.surrender())
            else:
                await connection.wait()

    async def pour(self, sink: Callable[[bytes], bool]) -> None:
        """Pass the pieces of the body to `sink`, each in the callback in which it arrives.

        No task has to be woken for them. Returns once `sink`, which must not raise, returns False,
        or when there is anything else to report, which `receive` then does.
        """
        connection = self._connection
        if (
            connection is not None
            and self._inflater is None
            and connection.phase == BODY
            and not connection.chunks
        ):
            connection.sink = sink
            try:
                await connection.wait()
            finally:
                connection.sink = None

    def answering(self) -> None:
        """Call when the bytes have included a streamed answer's first piece: ends its timeout."""
        if self._connection is not None:
            self._connection.answering()

    def ending(self, seconds: float) -> None:
        """Call when the answer is complete: from now on wait for at most so much silence."""
        if self._connection is not None:
            self._connection.ending(seconds)

    def close(self) -> None:
        """Close the response; harmless when repeated.

        A connection whose response has fully arrived is kept for the next request; any other is
        closed at once.
        """
        connection, self._error = self._connection, None  # see `Connection.surrender`
        if connection is not None:
            self._connection = None
            connection.finish()

    def release(self) -> None:
        """Close a response whose content is known to have ended; use instead of `close()`.

        The framing that ends the body often comes in a packet of its own; the connection is kept
        if that happens within 250 ms, and closed otherwise.
        """
        connection, self._error = self._connection, None
        if connection is not None:
            self._connection = None
            connection.linger()

    def _choose_inflater(self, connection: Connection) -> None:
        try:
            self._inflater = inflater(self.headers["content-encoding"])
        except ValueError:
            what = "a content coding that was not asked for"
            self._fail(failure.malformed(connection.pool.host, what))

    def _inflate(self, connection: Connection) -> bytes:
        assert self._inflater is not None
        try:
            data = self._inflater.pull(_PIECE)
        except zlib.error:
            raise self._fail(_broken(connection)) from None
        if self._inflater.given > connection.pool.settings.max_body_bytes:
            raise self._fail(failure.malformed(connection.pool.host, _TOO_LARGE))
        return data

    def _fail(self, error: GatewayError) -> GatewayError:
        self._error = error
        if self._connection is not None:
            self._connection.abort()
            self._connection = None
        return error

    def _ended(self) -> bytes:
        if self._error is not None:
            raise self._error
        if not self._whole:
            raise RuntimeError("the response was closed before its end")
        return b""


def _broken(connection: Connection) -> GatewayError:
    return failure.malformed(connection.pool.host, "a body whose content coding is broken")
