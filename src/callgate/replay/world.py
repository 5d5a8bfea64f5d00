"""What surrounds a worker that replays: a way out and windows that answer as recorded."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import NoReturn

from callgate.core.captured import Captured, Exchange
from callgate.core.http import HttpRequest, Origin
from callgate.core.limits import Draw, Level, Period
from callgate.core.models import Timeouts
from callgate.core.override import Kind, Override
from callgate.core.quota import Correction, Grant, Quota
from callgate.errors import GatewayError
from callgate.store.base import Caution, Key, Keys, StoreError
from callgate.upstream.transport import PoolStats

_WINDOW_SECONDS = 60.0
_RIVAL_SECONDS = 2.0
Leave = Callable[[], Awaitable[None]]


class RecordedResponse:
    """The recorded answer to an attempt, in its pieces; where it broke off, it breaks off again."""

    __slots__ = (
        "_at", "_exchange", "_leave", "connect_us", "headers", "headers_us", "status",
    )  # fmt: skip

    def __init__(self, exchange: Exchange, leave: Leave) -> None:
        self.status = exchange.status
        self.headers: Mapping[str, str] = exchange.answer_headers
        self.connect_us: int | None = None
        self.headers_us = 0
        self._exchange = exchange
        self._leave = leave
        self._at = 0

    async def read(self, limit: int | None = None) -> bytes:
        """The whole body. Raises the GatewayError that was recorded."""
        pieces = []
        while piece := await self.receive():
            pieces.append(piece)
        return b"".join(pieces)

    async def receive(self) -> bytes:
        """The next piece; empty at the end. Raises the GatewayError that was recorded."""
        pieces = self._exchange.pieces
        if self._at < len(pieces):
            self._at += 1
            return pieces[self._at - 1].data
        if self._exchange.error is not None:
            raise self._exchange.error.error()
        if not self._exchange.ended:
            await self._leave()  # as the caller did
        return b""

    async def pour(self, sink: Callable[[bytes], bool]) -> None:
        """Nothing arrives: `receive` gives what was recorded."""

    def answering(self) -> None:
        """No clock runs."""

    def ending(self, seconds: float) -> None:
        """No clock runs."""

    def close(self) -> None:
        """Nothing is open."""

    def release(self) -> None:
        """Nothing is open."""


class RecordedTransport:
    """A way out that leads nowhere: the n-th request gets the n-th recorded answer.

    `sent` is what was to go out. `leave` is awaited where the recording ends without a reason, and
    does not come back. Where the first two were `hedged`, the first answers when both are asked.
    """

    __slots__ = ("_both", "_exchanges", "_hedged", "_leave", "sent")

    def __init__(self, exchanges: Sequence[Exchange], leave: Leave, *, hedged: bool) -> None:
        self._hedged = hedged
        self._both = asyncio.Event()
        self._exchanges = exchanges
        self._leave = leave
        self.sent: list[HttpRequest] = []

    async def send(
        self,
        request: HttpRequest,
        timeouts: Timeouts,
        *,
        streamed: bool = False,
        sent: Callable[[], None] | None = None,
    ) -> RecordedResponse:
        """The recorded response. Raises the GatewayError that was recorded in its place."""
        self.sent.append(request)
        if len(self.sent) > len(self._exchanges):
            raise GatewayError("upstream_unreachable", "Of this attempt nothing was recorded")
        exchange = self._exchanges[len(self.sent) - 1]
        if self._hedged and len(self.sent) == 1:
            with suppress(TimeoutError):  # this version may not hedge
                async with asyncio.timeout(_RIVAL_SECONDS):
                    await self._both.wait()
        elif len(self.sent) == 2:
            self._both.set()
        if not exchange.status:
            if exchange.abandoned and sent is not None:
                sent()
            if exchange.error is not None:
                raise exchange.error.error()
            await self._leave()
        return RecordedResponse(exchange, self._leave)

    def stats(self) -> Mapping[Origin, PoolStats]:
        """Nothing is open."""
        return {}

    async def aclose(self) -> None:
        """Nothing is open."""


class RecordedCounters:
    """Windows that say of each model what they said then, and are open where they said nothing, or
    fail with `refusal`. Where limits were not `exact`, they are not.
    """

    outages = 0
    caution: Caution | None = None

    def __init__(self, captured: Captured, refusal: GatewayError | None, *, exact: bool) -> None:
        self._windows_left = list(captured.windows)
        self._draws_left = list(captured.draws)
        self._refusal = refusal
        self.trouble: str | None = None if exact else "limits were not exact then"

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        """What was said next of this model."""
        del account
        for at, window in enumerate(self._windows_left):
            if window.model == model:
                del self._windows_left[at]
                return Quota(*window[1:5], exact=window.exact)
        if self._refusal is not None:
            raise self._refusal
        return Quota(admitted=True, limit=limit, remaining=limit - 1, reset=now + _WINDOW_SECONDS)

    peek = reserve

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """What came of the next reservation over these counters."""
        del account
        names = tuple(draw.name for draw in draws)
        for at, drawn in enumerate(self._draws_left):
            if drawn.names == names:
                del self._draws_left[at]
                # Born, a counter would want to be told of what was spent before.
                levels = tuple(Level(one.opened, one.used) for one in drawn.levels)
                return Grant(drawn.refused, levels, drawn.now, drawn.exact)
        if self._refusal is not None:
            raise self._refusal
        at_us = int(now * 1_000_000)
        return Grant(None, tuple(Level(at_us, min(one.amount, one.limit)) for one in draws), at_us)

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        """Nobody asks in a replay how full they are."""
        del account, draws, now
        return ()

    def settle(
        self,
        account: str,
        corrections: Sequence[Correction],
        now: float,
        *,
        of: Grant | None = None,
    ) -> None:
        """What was really used changes nothing of what was said."""
        del account, corrections, now, of

    async def seed(
        self,
        account: str,
        name: str,
        period: Period,
        begins: int,
        amount: int,
        now: float,
        *,
        again: bool = False,
    ) -> bool:
        """They know what was spent before."""
        del account, name, period, begins, amount, now, again
        return False

    async def start(self) -> None:
        """There is nothing to get ready."""

    async def stop(self) -> None:
        """There is nothing to end."""

    def retire(self) -> None:
        """There is nobody to hand over to."""

    def close(self) -> None:
        """There is nothing to forget."""


class OneKey:
    """`Keys` of one caller."""

    def __init__(self, key: Key) -> None:
        self._key = key

    def version(self) -> int:
        """The one."""
        return 1

    def all(self) -> Sequence[Key]:
        """The one."""
        return [self._key]

    def find(self, digest: bytes) -> Key | None:
        """The one, if it is asked for."""
        return self._key if digest == self._key.digest else None

    def add(self, key: Key) -> None:
        """Raises ValueError: there is no other."""
        raise ValueError(f"no key {key.id} is added in a replay")

    def add_first(self, key: Key) -> bool:
        """There is one already."""
        del key
        return False

    def revoke(self, key_id: str, at: int) -> bool:
        """It stays."""
        del key_id, at
        return False

    def change(self, key_id: str, edit: Callable[[Key], Key]) -> Key | None:
        """It stays as it is."""
        del key_id, edit
        return None


class NoOverrides:
    """`Overrides`, of which there are none: what was in effect stands in the capture."""

    def all(self) -> Sequence[Override]:
        """None."""
        return ()

    def change(
        self, kind: Kind, name: str, edit: Callable[[Sequence[Override]], str | None], at: int
    ) -> None:
        """Nothing is set."""
        del kind, name, edit, at


class NoRequests:
    """In place of a `RequestLog`: whatever it is asked, it does not answer."""

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        def refuse(*_: object) -> NoReturn:
            raise StoreError(f"a replay has no store to ask for {name}")

        return refuse


def keys_of(captured: Captured, digest: bytes) -> Keys:
    """The caller's key, under another digest."""
    caller = captured.caller
    return OneKey(
        Key(
            id=caller.id,
            digest=digest,
            hint="",
            name="replay",
            account=caller.account,
            region="",
            created=0,
            models=caller.models,
            limits=caller.limits,
            allowance=caller.allowance,
        )
    )
