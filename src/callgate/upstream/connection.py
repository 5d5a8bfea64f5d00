"""One connection to an upstream: the I/O around `ResponseReader`.

Everything here runs in callbacks of the event loop; a task waits on a single future, `waiter`, and
inspects the state when it is woken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, Final

from callgate.core.models import Timeouts
from callgate.errors import GatewayError
from callgate.upstream import failure
from callgate.upstream.reader import (
    BODY,
    CLOSED,
    COMPLETE,
    FIRST,
    HEAD,
    IDLE,
    REQUEST,
    RefusedError,
    ResponseReader,
)

if TYPE_CHECKING:
    from callgate.upstream.pool import Pool

_HIGH_WATER: Final = 256 * 1024
_ENOUGH: Final = 128 * 1024
_LINGER = 0.25
_MAX_LINGER = 4096
_SLICE = 256 * 1024
_DEADLINES = {REQUEST: "request", HEAD: "headers", FIRST: "first_token", BODY: "silence"}
_DURING = {REQUEST: "during the request", FIRST: "before the body", BODY: "during the body"}


class Connection(ResponseReader, asyncio.Protocol):
    """A transport and the exchange in progress on it, if any.

    `deadline` is on the clock of `time.monotonic`; `unread` counts bytes that have arrived but were
    not taken yet; reading pauses if there are too many. `patient`: the waiter wants large pieces of
    the body rather than each as it comes; `fresh`: no request has been sent yet. A `sink` takes
    pieces of the body in the waiter's place, which is woken when it returns False. No deadline is
    later than `_latest`: the total timeout, or the time by which a stream owes its first token.
    """

    __slots__ = (
        "_barren", "_latest", "_lingering", "_max_received", "_paused", "_retires_at", "_streamed",
        "_timeouts", "_total_at", "_unsent", "_write_paused", "deadline", "error", "fresh",
        "patient", "pool", "sink", "transport", "unread", "waiter",
    )  # fmt: skip

    def __init__(self, pool: Pool) -> None:
        settings = pool.settings
        super().__init__(pool.names, settings.max_header_bytes)
        self.pool = pool
        self.transport: asyncio.Transport  # set by connection_made
        self.waiter: asyncio.Future[None] | None = None
        self.sink: Callable[[bytes], bool] | None = None
        self.error: GatewayError | None = None
        now = monotonic()
        self.deadline = self._total_at = self._latest = now + settings.idle_expiry
        self._retires_at = now + settings.max_age
        self.unread = self._barren = 0
        self._max_received = settings.max_body_bytes + settings.max_header_bytes
        self._paused = self._write_paused = self._unsent = False
        self._lingering = self.patient = self._streamed = False
        self.fresh = True

    # --- the exchange ---------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether a request may be written."""
        return self.phase == IDLE and not self.transport.is_closing()

    def start(
        self, timeouts: Timeouts, now: float, total_at: float, head_only: bool, streamed: bool
    ) -> None:
        """Prepare for one exchange; the request is written next.

        If the answer is `streamed`, its first token has to come in time; see `answering`.
        """
        self.fresh = False
        self.expect(head_only)
        self._timeouts = timeouts
        self._total_at = self._latest = total_at
        self._barren = 0
        self._streamed = streamed
        self._await_head(now)

    async def write_large(self, head: bytes, body: bytes) -> None:
        """Write a large request piece by piece, until it is written or a response comes."""
        transport = self.transport
        self.phase = REQUEST
        self._unsent = True
        self._latest = self._total_at
        self._arm(monotonic() + self._timeouts.headers)
        transport.write(head)
        view = memoryview(body)
        for offset in range(0, len(body), _SLICE):
            while self._write_paused and self.phase == REQUEST:
                await self.wait()
            if self.phase != REQUEST or transport.is_closing():
                return
            transport.write(view[offset : offset + _SLICE])
        self._unsent = False
        self.phase = HEAD
        self._await_head(monotonic())

    async def wait(self) -> None:
        """Sleep until the state has changed. Aborts the connection if cancelled."""
        self.waiter = waiter = self.pool.loop.create_future()
        try:
            await waiter
        except BaseException:
            self.abort()
            raise

    def answering(self) -> None:
        """A stream's first token has come: from now on only the silence and total timeouts run."""
        self._latest = self._total_at
        if self.phase == BODY:
            self._arm(monotonic() + self._timeouts.silence)

    def ending(self, seconds: float) -> None:
        """All that matters has come: from now on wait for at most so many seconds of silence."""
        if self._timeouts.silence > seconds:
            self._timeouts = replace(self._timeouts, silence=seconds)
        if self.phase == BODY:
            self._arm(monotonic() + self._timeouts.silence)

    def take(self) -> bytes:
        """The body bytes that arrived since the last call."""
        chunks = self.chunks
        data = b"".join(chunks)
        chunks.clear()
        self.unread = 0
        if self._paused:
            self._resume()
        return data

    def finish(self) -> None:
        """End the exchange: the connection goes back to the pool if it can serve another."""
        if self.phase != COMPLETE or not self.keep or self._unsent or self.transport.is_closing():
            self.abort()
            return
        now = monotonic()
        if now >= self._retires_at:
            self.abort()
            return
        self.phase = IDLE
        self.unread = 0
        if self.chunks:
            self.chunks.clear()
        self.patient = False
        self._total_at = self._latest = now + self.pool.settings.idle_expiry
        self._arm(self._total_at)
        self.pool.put_back(self)

    def linger(self) -> None:
        """End the exchange as `finish` does, but leave a moment for the end of the framing."""
        if self.phase not in (FIRST, BODY):
            self.finish()
            return
        self._lingering = True
        self.take()
        now = monotonic()
        self._total_at = self._latest = min(self._total_at, now + _LINGER)
        self._arm(self._total_at)

    def abort(self) -> None:
        """Close the socket at once, whatever is under way."""
        self.transport.abort()
        if self.phase != CLOSED:
            self.phase = CLOSED
            self.dispose()
            self.pool.forget(self)

    def fail(self, error: GatewayError) -> None:
        """End the exchange with `error`, which the waiter finds when it is woken."""
        if self.error is None:
            self.error = error
        self.abort()
        self._wake()

    @property
    def sent(self) -> bool:
        """Whether the whole request has been written."""
        return not self._unsent

    def surrender(self) -> GatewayError:
        """The error that ended the exchange, for its waiter; handed over once and not kept.

        Once raised it refers to frames that refer to this connection, and such a reference cycle
        would be left to the garbage collector.
        """
        error, self.error = self.error, None
        assert error is not None
        return error

    def overdue(self, now: float) -> None:
        """The deadline has passed (see `Sweeper`)."""
        phase, total = self.phase, self._total_at
        if phase == IDLE:
            self.abort()
        elif now >= total:
            self.fail(failure.timed_out("total", self.pool.host, self._timeouts.total))
        elif phase == COMPLETE or self._paused:
            self.deadline = total
        elif now >= self._latest:
            self.fail(failure.timed_out("first_token", self.pool.host, self._timeouts.first_token))
        else:
            name = _DEADLINES[phase]
            seconds = getattr(self._timeouts, "headers" if phase == REQUEST else name)
            self.fail(failure.timed_out(name, self.pool.host, seconds))

    # --- the event loop's callbacks -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        before = self.phase
        if before == IDLE or before >= COMPLETE:
            self._unasked(before, data)
            return
        try:
            self.feed(data)
        except RefusedError as exc:
            self.fail(failure.malformed(self.pool.host, str(exc)))
            return
        if self.surplus:
            self.pool.distrust()
        self.unread += len(data)
        if self.phase == COMPLETE or self._progress(before, len(data)):
            sink = self.sink
            if sink is not None and self.phase == BODY and self.chunks and sink(self.take()):
                return
            waiter = self.waiter
            if waiter is not None:
                self.waiter = None
                if not waiter.done():
                    waiter.set_result(None)
            elif self._lingering and (self.phase == COMPLETE or self.unread > _MAX_LINGER):
                self._lingering = False
                self.finish()

    def eof_received(self) -> None:
        self.connection_lost(None)

    def connection_lost(self, exc: Exception | None) -> None:
        phase = self.phase
        if phase == IDLE:
            self.abort()
        elif phase != CLOSED:
            if exc is None and self.feed_eof():
                self._wake()
            elif phase != COMPLETE:
                where = _DURING.get(phase, "during the response headers")
                if phase == HEAD and not self.received:
                    where = "before it sent a byte of its answer"
                self.fail(failure.cut(self.pool.host, where))

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        if self.phase == REQUEST:
            self._arm(monotonic() + self._timeouts.headers)
            self._wake()

    # --- inside ---------------------------------------------------------------------------------

    def _await_head(self, now: float) -> None:
        """The request is on its way: start the timeouts of its answer."""
        timeouts = self._timeouts
        if self._streamed:
            self._latest = min(self._total_at, now + timeouts.first_token)
        self._arm(now + timeouts.headers)

    def _progress(self, before: int, size: int) -> bool:
        """Check the bounds and set the deadline of an unfinished response; whether to wake the
        waiter.
        """
        phase = self.phase
        if phase <= HEAD:
            return False
        if self.received > self._max_received:
            self.fail(failure.malformed(self.pool.host, "a larger body than is accepted"))
            return False
        if phase == BODY and self.chunks:
            self._barren = 0
            deadline = monotonic() + self._timeouts.silence
            latest = self._latest
            self.deadline = deadline if deadline < latest else latest  # noqa: FURB136
        elif self.chunks and (self._streamed or not self.chunks[-1].isspace()):
            self._barren = 0
            self.phase = BODY
            self._arm(monotonic() + self._timeouts.silence)
        elif before <= HEAD:
            # An answer that is not streamed owes its first byte now; some providers send white
            # space until it is ready. If the head came before the request had been written, the
            # stream's first-token timeout starts only here.
            first = monotonic() + self._timeouts.first_token
            if self._streamed:
                self._latest = min(self._latest, first)
            self._arm(first)
        elif not self.chunks:
            self._barren += size
            if self._barren > self.pool.settings.max_header_bytes:
                self.fail(failure.malformed(self.pool.host, "chunks without content"))
                return False
        if self.unread > _HIGH_WATER:
            if not self._paused:
                self._paused = True
                self.transport.pause_reading()
            return True
        return not self.patient or self.unread > _ENOUGH

    def _unasked(self, phase: int, data: bytes) -> None:
        self.keep = False
        # A 408 may explain why an idle connection is closed, and some servers send a line break
        # after a body.
        if phase != CLOSED and data.strip(b"\r\n") and data[9:12] != b"408":
            self.pool.distrust()
        if phase == IDLE:
            self.abort()

    def _resume(self) -> None:
        self._paused = False
        if not self.transport.is_closing():
            self.transport.resume_reading()
        if self.phase in (FIRST, BODY):
            self._arm(monotonic() + self._timeouts.silence)

    def _arm(self, deadline: float) -> None:
        if deadline > self._latest:  # noqa: PLR1730 - min() costs three times as much
            deadline = self._latest
        self.deadline = deadline
        sweeper = self.pool.sweeper
        if deadline < sweeper.wake:
            sweeper.hasten(deadline)

    def _wake(self) -> None:
        waiter = self.waiter
        if waiter is not None:
            self.waiter = None
            if not waiter.done():
                waiter.set_result(None)
