"""The engine: what happens to a call between the door and the providers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from callgate.core.chat import ChatRequest, ChatResponse
from callgate.core.models import Model, Price, Target
from callgate.core.pricing import cost
from callgate.core.routing import pick
from callgate.engine.admission import Admission
from callgate.engine.attempt import Try
from callgate.engine.call import Call
from callgate.engine.relay import Relay
from callgate.upstream.client import Client
from callgate.upstream.credentials import Credentials

_ENCODER = msgspec.json.Encoder()


class Sink(Protocol):
    """Where records go: the journal."""

    def append(self, record: bytes, /) -> None:
        """Keep a record, so that it outlives the process. Never raises."""
        ...


class Engine:
    """Carries calls. `prices` gives a target's price, or None where none is known; `chance` a
    number in [0, 1).
    """

    def __init__(
        self,
        admission: Admission,
        client: Client,
        journal: Sink,
        region: str,
        prices: Callable[[Target], Price | None],
        chance: Callable[[], float],
    ) -> None:
        self.admission = admission
        self._client = client
        self._credentials = Credentials()
        self._journal = journal
        self._region = region
        self._prices = prices
        self._chance = chance

    async def complete(self, call: Call, request: ChatRequest, model: Model) -> ChatResponse:
        """The whole answer to a call that does not stream. Raises GatewayError."""
        with Try(call, self._plan(model), self._client, self._credentials) as attempt:
            answer = await attempt.whole(request)
        call.usage = answer.usage
        answer.created = answer.created or int(call.arrived)
        first = answer.choices[0]
        call.finish_reason = first.get("finish_reason")
        call.native_finish_reason = first.get("native_finish_reason")
        return answer

    def stream(self, call: Call, request: ChatRequest, model: Model) -> Relay:
        """The answer to a call that streams; nothing is sent before it is entered."""
        return Relay(call, request, self._plan(model), self._client, self._credentials)

    def settle(self, call: Call) -> None:
        """Close the books on a call, before its response ends: cost and record. Idempotent."""
        if call.settled:
            return
        call.settled = True
        if call.usage is not None and call.target is not None:
            price = self._prices(call.target)
            call.cost_usd = cost(call.usage, price) if price is not None else None
        self._journal.append(_ENCODER.encode(call.record(self._region)))

    def _plan(self, model: Model) -> Target:
        """Where the call goes."""
        return Target(model, pick(model.deployments, self._chance()))
