"""The tape that runs along with a call whose payloads may be kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from callgate.core.allowance import Allowance
from callgate.core.captured import Drawn, Exchange, Failure, Mode, Piece, Stood, Window
from callgate.core.directory import Directory
from callgate.core.http import HttpRequest
from callgate.core.limits import Draw
from callgate.core.quota import Grant, Quota
from callgate.core.record import Attempt
from callgate.errors import GatewayError
from callgate.upstream.transport import UpstreamResponse


class Tape:
    """What comes and goes during one call: at most `room` bytes of it, `cut` beyond.

    `started` is the call's own, `time.perf_counter_ns`; `place` is where the capture will be found.
    """

    __slots__ = (
        "_room",
        "accounts",
        "answer_headers",
        "body",
        "cut",
        "directory",
        "draws",
        "ended",
        "exchanges",
        "headers",
        "mode",
        "out",
        "pieces",
        "place",
        "record",
        "started",
        "status",
        "unread",
        "wanted",
        "windows",
    )  # fmt: skip

    def __init__(self, mode: Mode, started: int, place: str, room: int) -> None:
        self.mode = mode
        self.started = started
        self.place = place
        self.headers: list[tuple[str, str]] = []
        self.directory: Directory | None = None
        self.accounts: Mapping[str, Allowance] = {}
        self.body = b""
        self.record = b""
        self.status = 0
        self.answer_headers: list[tuple[bytes, bytes]] = []
        self.pieces: list[Piece] = []
        self.exchanges: list[Exchange] = []
        self.windows: list[Window] = []
        self.draws: list[Drawn] = []
        self.unread: Failure | None = None
        self.out: list[tuple[str, bool]] = []
        self.ended = self.cut = self.wanted = False
        self._room = room

    @property
    def size(self) -> int:
        """About how many bytes of memory it holds."""
        return len(self.body) + sum(
            len(one.body) + sum(len(piece.data) for piece in one.pieces) for one in self.exchanges
        )

    def decide(self, error: GatewayError | None, attempts: Iterable[Attempt]) -> str | None:
        """Whether it is to be kept, now that it is known how the call went: where, or None.

        In the mode `errors` what is kept are failures, and answers that took failed attempts.
        """
        failed = error is not None or any(one.error is not None for one in attempts)
        self.wanted = self.mode == "all" or (self.mode == "errors" and failed)
        return self.place if self.wanted else None

    def began(self, directory: Directory, accounts: Mapping[str, Allowance]) -> None:
        """By which models and limits of accounts the call goes, whatever is changed meanwhile."""
        self.directory, self.accounts = directory, accounts

    def read(self, body: bytes) -> None:
        """The body of the caller's request."""
        self.body = self._kept(body)

    def answered(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        """The head of the response to the caller."""
        self.status, self.answer_headers = status, list(headers)

    def wrote(self, data: bytes, *, more: bool) -> None:
        """A piece of the response to the caller."""
        if data:
            self.pieces.append(Piece(self._now(), self._kept(data)))
        self.ended = not more

    def reserved(self, model: str, quota: Quota) -> None:
        """What the account's window said."""
        told = Window(model, quota.admitted, quota.limit, quota.remaining, quota.reset, quota.exact)
        self.windows.append(told)

    def drawn(self, draws: Sequence[Draw], grant: Grant) -> None:
        """What a reservation over several counters came to."""
        names = tuple(draw.name for draw in draws)
        levels = tuple(Stood(one.opened, one.used, one.birth) for one in grant.levels)
        self.draws.append(Drawn(names, grant.refused, levels, grant.now, grant.exact))

    def left_alone(self, deployments: Sequence[str], resting: Sequence[bool]) -> None:
        """Deployments that were passed over: because they had asked for a rest, or had failed."""
        self.out += zip(deployments, resting, strict=True)

    def begin(self, request: HttpRequest) -> Exchange:
        """An attempt sends this, before credentials are put on it."""
        exchange = Exchange(
            method=request.method,
            url=f"{request.origin}{request.path}",
            headers=list(request.headers),
            body=self._kept(request.body),
            started_us=self._now(),
            pieces=[],
        )
        self.exchanges.append(exchange)
        return exchange

    def taped(self, response: UpstreamResponse, exchange: Exchange) -> UpstreamResponse:
        """The response, which leaves what is read of it on the tape."""
        exchange.status, exchange.answer_headers = response.status, dict(response.headers)
        return _Taped(self, response, exchange)

    def received(self, exchange: Exchange, data: bytes) -> None:
        """A piece of a provider's answer; none: its end."""
        if data:
            exchange.pieces.append(Piece(self._now(), self._kept(data)))
        else:
            exchange.ended = True

    def _now(self) -> int:
        return (time.perf_counter_ns() - self.started) // 1000

    def _kept(self, data: bytes) -> bytes:
        if len(data) > self._room:
            self.cut = True
            return b""
        self._room -= len(data)
        return data


class Keeper(Protocol):
    """Begins tapes and keeps what is on them."""

    def tape(self, request_id: str, mode: Mode, started: int) -> Tape:
        """A new tape for a request."""
        ...

    def keep(self, call: Any, /) -> None:
        """Take the tape of a `Call` that is over. Never raises, never waits."""
        ...


class _Taped:
    """A response under observation."""

    __slots__ = (
        "_exchange", "_response", "_tape", "connect_us", "headers", "headers_us", "status",
    )  # fmt: skip

    def __init__(self, tape: Tape, response: UpstreamResponse, exchange: Exchange) -> None:
        self._tape = tape
        self._response = response
        self._exchange = exchange
        self.status = response.status
        self.headers = response.headers
        self.connect_us = response.connect_us
        self.headers_us = response.headers_us

    async def read(self, limit: int | None = None) -> bytes:
        try:
            data = await self._response.read(limit)
        except GatewayError as error:
            self._exchange.error = Failure.of(error)
            raise
        self._tape.received(self._exchange, data)
        self._exchange.ended = True
        return data

    async def receive(self) -> bytes:
        try:
            data = await self._response.receive()
        except GatewayError as error:
            self._exchange.error = Failure.of(error)
            raise
        self._tape.received(self._exchange, data)
        return data

    async def pour(self, sink: Callable[[bytes], bool]) -> None:
        """Nothing passes by the tape: `receive` gives all of it."""

    def answering(self) -> None:
        self._response.answering()

    def ending(self, seconds: float) -> None:
        self._response.ending(seconds)

    def close(self) -> None:
        self._response.close()

    def release(self) -> None:
        self._response.release()
