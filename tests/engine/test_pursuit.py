"""The pursuit of an answer: what the trail says of it in the end."""

from __future__ import annotations

import time
from typing import Any

import pytest

from callgate.core.breaker import BreakerSettings
from callgate.core.chat import ChatRequest
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.record import Attempt
from callgate.core.retry import Budget
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.engine.call import Call
from callgate.engine.course import Leg
from callgate.engine.healthtable import HealthTable
from callgate.engine.pursuit import Pursuit
from callgate.errors import GatewayError
from callgate.store.base import Key


def leg(name: str, request: ChatRequest) -> Leg:
    deployment = Deployment(
        id=name, provider="p", vendor=Vendor(name="p", dialect="openai"), upstream_model="x",
        origin=Origin("http", "127.0.0.1", 80), path="/v1", secret=Secret(""),
    )  # fmt: skip
    return Leg(Model(name=name, deployments=(deployment,)), request, "model")


async def granted(*_: Any) -> None:
    return None


async def test_a_fallback_that_could_not_be_asked_is_not_said_to_have_been() -> None:
    request = parse_chat(b'{"model": "one", "prompt": "x"}')
    call = Call("id", 0.0, "POST", "/")
    call.key = Key(
        id="k", digest=b"", hint="", name="k", account="acme", created=0, region="us"
    )  # fmt: skip
    healths = HealthTable(BreakerSettings())
    healths["two"].rest(time.monotonic(), 60)

    async def fails(target: Target, _request: ChatRequest) -> None:
        call.attempts.append(
            Attempt(
                model=target.model.name,
                provider="p",
                deployment=target.deployment.id,
                upstream_model="x",
                host="h",
                started_us=0,
            )
        )
        raise GatewayError("provider_unavailable", "away")

    pursuit = Pursuit(healths, Budget(per_target=1), granted, lambda: 0.0, granted)
    with pytest.raises(GatewayError):
        await pursuit.run(call, [leg("one", request), leg("two", request)], fails)
    (attempt,) = call.attempts
    assert (attempt.decision, attempt.reason) == ("stop", "no other target could be asked")
