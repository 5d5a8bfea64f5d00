"""The engine: what happens to a call between the door and the providers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

import msgspec

from callgate.core.chat import ChatRequest, ChatResponse
from callgate.core.models import Price, Target
from callgate.core.pricing import cost
from callgate.engine.admission import Admission
from callgate.engine.attempt import Try
from callgate.engine.call import Call
from callgate.engine.course import Leg
from callgate.engine.pursuit import Pursuit
from callgate.engine.relay import Relay
from callgate.errors import GatewayError
from callgate.upstream.client import Client
from callgate.upstream.credentials import Credentials

_ENCODER = msgspec.json.Encoder()


class Sink(Protocol):
    """Where records go: the journal."""

    def append(self, record: bytes, /) -> None:
        """Keep a record, so that it outlives the process. Never raises."""
        ...


class Engine:
    """Carries calls. `prices` gives a target's price, or None where none is known."""

    def __init__(
        self,
        admission: Admission,
        client: Client,
        journal: Sink,
        region: str,
        prices: Callable[[Target], Price | None],
        pursuit: Pursuit,
    ) -> None:
        self.admission = admission
        self._client = client
        self._credentials = Credentials()
        self._journal = journal
        self._region = region
        self._prices = prices
        self._pursuit = pursuit

    async def complete(self, call: Call, course: Sequence[Leg]) -> ChatResponse:
        """The whole answer to a call that does not stream. Raises GatewayError."""

        async def ask(target: Target, request: ChatRequest) -> ChatResponse:
            with Try(call, target, self._client, self._credentials) as attempt:
                return await attempt.whole(request)

        answer = await self._pursuit.run(call, course, ask)
        call.usage = answer.usage
        answer.created = answer.created or int(call.arrived)
        first = answer.choices[0]
        call.finish_reason = first.get("finish_reason")
        call.native_finish_reason = first.get("native_finish_reason")
        return answer

    @asynccontextmanager
    async def stream(self, call: Call, course: Sequence[Leg]) -> AsyncIterator[Relay]:
        """The answer to a call that streams; entering waits for its first content."""

        async def begin(target: Target, request: ChatRequest) -> Relay:
            relay = Relay(call, request, target, self._client, self._credentials)
            await relay.open()
            return relay

        relay = await self._pursuit.run(call, course, begin)
        deployment = relay.target.deployment
        health = self._pursuit.health_table[deployment.id]
        probe = health.begin(time.monotonic())
        try:
            with relay:
                yield relay
        except GatewayError as error:
            self._pursuit.learn(deployment, error)
            raise
        finally:
            health.end(probe=probe)

    def settle(self, call: Call) -> None:
        """Close the books on a call, before its response ends: cost and record. Idempotent."""
        if call.settled:
            return
        call.settled = True
        if call.usage is not None and call.target is not None:
            price = self._prices(call.target)
            call.cost_usd = cost(call.usage, price) if price is not None else None
        record = _ENCODER.encode(call.record(self._region))
        self._journal.append(record)
        if call.tape is not None:
            call.tape.record = record
