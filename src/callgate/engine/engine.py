"""The engine: everything that happens to a call between `web` and the providers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, Protocol

import msgspec

from callgate.core.chat import Chunk
from callgate.core.omitting import PARAMETERS_BYTES, omit
from callgate.core.price import Price
from callgate.core.pricing import with_tier
from callgate.core.record import marked
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.splice import Splice
from callgate.core.target import Target
from callgate.engine.accesslog import AccessLog
from callgate.engine.admission import Admission
from callgate.engine.attempt import Try
from callgate.engine.call import Call, note_declined
from callgate.engine.candidates import Candidate
from callgate.engine.charging import charge
from callgate.engine.checkers import Checkers
from callgate.engine.contentfilter import check, leaves
from callgate.engine.failover import Failover
from callgate.engine.healing import HealingStream, continues
from callgate.engine.postprocess import Whole, finished, gathered, needs_whole
from callgate.engine.relay import Again, Outlet, Relay
from callgate.engine.shapedstream import ShapedStream
from callgate.engine.shaping import ShapedAnswer, is_held_back
from callgate.upstream.credentials import Credentials
from callgate.upstream.transport import Transport

_ENCODER: Final = msgspec.json.Encoder()
_KEPT_BYTES: Final = 1 << 20


class Sink(Protocol):
    """Where records go: the journal."""

    def append(self, record: bytes, /) -> None:
        """Keep a record, so that it outlives the process. Never raises."""
        ...


class Stream(Protocol):
    """A streamed answer; enter it as a context manager before reading."""

    def __enter__(self) -> Stream: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None: ...

    async def next(self) -> Sequence[Chunk] | None:
        """The next chunks, at least one; None when the answer is complete. Raises GatewayError."""
        ...

    async def pour(self, sink: Outlet, again: Again | None = None) -> None:
        """Pass chunks to `sink` in the same callbacks in which they arrive; see `Relay.pour`."""
        ...


class Engine:
    """Takes calls to providers, and settles them.

    `prices` gives a target's price, or None if it is unknown; `mid_stream` says what to do about a
    stream that breaks off, unless the request does.
    """

    def __init__(
        self,
        admission: Admission,
        client: Transport,
        journal: Sink,
        region: str,
        prices: Callable[[Target], Price | None],
        failover: Failover,
        checkers: Checkers,
        *,
        mid_stream: str = "continue",
        access_log: AccessLog | None = None,
    ) -> None:
        self.admission = admission
        self._client = client
        self._credentials = Credentials()
        self._journal = journal
        self._written = bytearray()  # the latest record; reused, so that it need not grow again
        self._region = marked(region)
        self._prices = prices
        self._failover = failover
        self._mid_stream = mid_stream
        self._access_log = access_log or AccessLog()
        self._checkers = checkers

    async def complete(self, call: Call, candidates: Sequence[Candidate]) -> ChatResponse:
        """The whole answer to a call, even if the provider streams it. Raises GatewayError."""

        async def ask(target: Target, request: ChatRequest) -> ChatResponse:
            body = request.body
            call.first_token_ns = None  # it may be that of an earlier, rejected answer
            if body.response_format is not None or body.post_processing_steps or body.stream:
                answer = await self._finished(call, target, request)
            else:
                answer = await Try(call, target, self._client, self._credentials).whole(request)
            if body.fallback_config is not None and leaves(candidates, target, request):
                check(call, target, answer)
            return answer

        answer = await self._failover.run(call, candidates, ask)
        call.usage = with_tier(answer.usage, answer.extra)
        if call.parts and call.usage is not None and call.target is not None:
            call.parts.append((call.target, call.usage))  # rejected answers are paid for, too
        answer.created = answer.created or int(call.arrived)
        first = answer.choices[0]
        if first["message"].get("refusal"):
            note_declined(call)
        call.finish_reason = first.get("finish_reason")
        call.native_finish_reason = first.get("native_finish_reason")
        return answer

    async def _finished(self, call: Call, target: Target, request: ChatRequest) -> ChatResponse:
        body = request.body
        call.usage = None
        if body.response_format is not None:
            ask = partial(self._ask, call)
            form = self._checkers.form(request)
            answer = await ShapedAnswer(call, target, request, form, ask).whole()
        else:
            answer = await self._ask(call, target, request)
        if body.post_processing_steps:
            await finished(call, target, body.post_processing_steps, answer)
        return answer

    async def _ask(self, call: Call, target: Target, request: ChatRequest) -> ChatResponse:
        call.first_token_ns = None
        if request.body.stream:
            relay = Relay(call, request, target, self._client, self._credentials)
            return await gathered(call, relay)
        return await Try(call, target, self._client, self._credentials).whole(request)

    async def stream(self, call: Call, candidates: Sequence[Candidate]) -> Stream:
        """The answer to a streaming call, once its first content has arrived; enter it at once.

        If it has to be processed as a whole, waits for all of it.
        """
        formed = any(candidate.request.body.response_format is not None for candidate in candidates)
        if needs_whole(candidates) or (formed and any(map(is_held_back, candidates))):
            return Whole(await self.complete(call, candidates))

        shaped = ShapedStream(call, self._checkers) if formed else None

        def connect(target: Target, request: ChatRequest, splice: Splice | None) -> Relay:
            if shaped is not None:
                request = shaped.asked(target, request)
            return Relay(call, request, target, self._client, self._credentials, splice)

        going_on = continues(candidates, self._mid_stream)
        stream = HealingStream(call, candidates, self._failover, connect, continues=going_on)
        await stream.open()
        if shaped is None:
            return stream
        shaped.stream = stream
        return shaped

    def settle(self, call: Call) -> None:
        """Settle a call before its response ends: its cost and its record. Idempotent."""
        if call.settled:
            return
        call.settled = True
        charge(call, self._prices)
        if call.reservations:
            self.admission.metering.settle(call)
        told = call.record(self._region)
        _ENCODER.encode_into(told, self._written)
        if len(self._written) > PARAMETERS_BYTES:
            omit(told)
            _ENCODER.encode_into(told, self._written)
        record = bytes(self._written)
        if len(record) > _KEPT_BYTES:  # rare: do not keep so much memory for the next one
            self._written = bytearray()
        self._journal.append(record)
        if call.error is not None or self._access_log.access:
            self._access_log.settled(call)
        if call.tape is not None:
            call.tape.record = record
