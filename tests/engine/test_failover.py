"""The failover of an answer: what the trail says of it in the end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from callgate.core.breaker import BreakerSettings
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.record import Attempt
from callgate.core.request import ChatRequest
from callgate.core.retry import Budget
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.engine.call import Call
from callgate.engine.candidates import Candidate
from callgate.engine.failover import Failover
from callgate.engine.healthtable import HealthTable
from callgate.errors import GatewayError
from callgate.store.base import Key


def candidate(name: str, request: ChatRequest) -> Candidate:
    deployment = Deployment(
        id=name, provider="p", vendor=Vendor(name="p", dialect="openai"), upstream_model="x",
        origin=Origin("http", "127.0.0.1", 80), path="/v1", secret=Secret(""),
    )  # fmt: skip
    return Candidate(Model(name=name, deployments=(deployment,)), request, "model")


async def granted(*_: Any) -> None:
    return None


def of_acme() -> Call:
    call = Call("id", 0.0, "POST", "/")
    call.key = Key(
        id="k", digest=b"", hint="", name="k", account="acme", created=0, region="us"
    )  # fmt: skip
    return call


async def test_who_answers_while_another_is_let_in_was_not_hedged() -> None:
    request = parse_chat(b'{"model": "one", "prompt": "x", "fallback_config": {"hedge": true}}')
    healths = HealthTable(BreakerSettings())
    for _ in range(100):
        healths["one"].pace(stream=False).add(0.0)
    call, asked, letting_in = of_acme(), [], asyncio.Event()

    async def answers(target: Target, _request: ChatRequest) -> str:
        asked.append(target.model.name)
        await letting_in.wait()
        return target.model.name

    async def reserve(*_: Any) -> None:
        letting_in.set()
        for _ in range(5):  # the server that counts answers later than the provider
            await asyncio.sleep(0)

    failover = Failover(healths, Budget(), reserve, lambda: 0.0, granted)
    candidates = [candidate("one", request), candidate("two", request)]
    assert await failover.run(call, candidates, answers) == "one"
    assert (asked, call.notes) == (["one"], [])


async def test_the_pause_before_a_retry_is_neither_the_gateways_time_nor_the_providers() -> None:
    request = parse_chat(b'{"model": "one", "prompt": "x"}')
    call = of_acme()

    async def fails_once(target: Target, _request: ChatRequest) -> str:
        deployment = target.deployment
        call.attempts.append(
            Attempt(
                model=target.model.name, provider=deployment.provider, deployment=deployment.id,
                upstream_model="x", started_us=0,
            )
        )  # fmt: skip
        if len(call.attempts) == 1:
            raise GatewayError("provider_unavailable", "busy")
        return "answer"

    failover = Failover(HealthTable(BreakerSettings()), Budget(base=0.02), granted, lambda: 0.999)
    assert await failover.run(call, [candidate("one", request)], fails_once) == "answer"
    assert call.paused_ns > 19_000_000
    assert call.upstream_ns == 0
    assert call.attempts[0].decision == "retry in 20 ms"


async def test_a_fallback_that_could_not_be_asked_is_not_said_to_have_been() -> None:
    request = parse_chat(b'{"model": "one", "prompt": "x"}')
    call = of_acme()
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

    failover = Failover(healths, Budget(per_target=1), granted, lambda: 0.0, granted)
    with pytest.raises(GatewayError):
        await failover.run(call, [candidate("one", request), candidate("two", request)], fails)
    (attempt,) = call.attempts
    assert (attempt.decision, attempt.reason) == ("stop", "no other target could be asked")
