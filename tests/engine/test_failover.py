"""The failover of an answer: what the trail says of it in the end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
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
from callgate.engine.failover import Failover, Send
from callgate.engine.healthtable import HealthTable
from callgate.errors import GatewayError
from callgate.store.base import Key


def candidate(
    name: str,
    request: ChatRequest,
    *,
    param: str = "model",
    deployments: Sequence[str] = (),
    window: int = 0,
) -> Candidate:
    made = tuple(
        Deployment(
            id=one,
            provider="p",
            vendor=Vendor(name="p", dialect="openai"),
            upstream_model="x",
            origin=Origin("http", "127.0.0.1", 80),
            path="/v1",
            secret=Secret(""),
        )
        for one in deployments or (name,)
    )
    return Candidate(Model(name=name, deployments=made, context_length=window), request, param)


DOWN, FILTERED, LONG = "provider_unavailable", "content_filtered", "context_too_long"
AGAIN, STOP = "retry in 0 ms", "stop"


@pytest.mark.parametrize(
    ("config", "told", "asked", "decision"),
    [
        ("{}", {"one": [DOWN, DOWN]}, "one one one", AGAIN),
        ("{}", {"one": [DOWN] * 3}, "one one one two", "fall back to two"),
        ('{"retry": false}', {"one": [DOWN]}, "one two", "fall back to two"),
        ("{}", {"one": ["upstream_timeout"]}, "one two", "fall back to two"),
        (
            "{}",
            {"one": ["provider_refused"], "two": ["provider_refused"]},
            "one two three",
            "fall back to three",
        ),
        ("{}", {"one": ["provider_rejected"]}, "one", STOP),
        ("{}", {"one": [FILTERED]}, "one", STOP),
        ('{"on_content_filter": true}', {"one": [FILTERED]}, "one two", "fall back to two"),
        ("{}", {"one": [LONG]}, "one three", "fall back to three"),
        ("{}", {"one": [LONG], "three": [LONG]}, "one three", STOP),
        ("{}", {"one": ["unsupported_field"]}, "one", STOP),
        (
            "{}",
            {"one": ["upstream_timeout"], "two": ["unsupported_field"]},
            "one two three",
            "fall back to three",
        ),
        ("{}", {name: [DOWN] * 3 for name in ("one", "two", "three")}, "one one one two two", STOP),
    ],
)
async def test_who_is_asked_after_which_failures(
    config: str, told: dict[str, list[str]], asked: str, decision: str
) -> None:
    request = parse_chat(
        b'{"model": "one", "prompt": "x", "fallback_config": %b}' % config.encode()
    )
    call, left = of_acme(), {name: list(types) for name, types in told.items()}
    healths = HealthTable(BreakerSettings())
    failover = Failover(healths, Budget(attempts=5, base=0.0), granted, lambda: 0.5, granted)
    candidates = [
        candidate("one", request, window=100),
        candidate("two", request, window=100, param="fallbacks[0].model"),
        candidate("three", request, window=101, param="fallbacks[1].model"),
    ]
    run = failover.run(call, candidates, scripted(call, left))
    *_, last = names = asked.split()
    if decision == STOP:
        with pytest.raises(GatewayError, match=told[last][-1]):
            await run
    else:
        assert await run == last
        assert healths[last].latency > 0
    assert [one.deployment for one in call.attempts] == names
    assert [one.decision for one in call.attempts if one.decision][-1] == decision
    assert all(one.reason for one in call.attempts if one.decision)
    assert {health.outstanding for health in healths.values()} == {0}
    passed_over = ["fallback 'two' was passed over: its window of 100 tokens is not larger"]
    assert call.notes == (passed_over if LONG in told["one"] else [])


async def test_a_failure_is_told_and_not_that_a_fallback_could_not_be_asked() -> None:
    request = parse_chat(b'{"model": "one", "prompt": "x"}')
    call, left = of_acme(), {"one": ["upstream_timeout"], "two": ["unsupported_field"]}
    healths = HealthTable(BreakerSettings())
    failover = Failover(healths, Budget(), granted, lambda: 0.5, granted)
    candidates = [candidate("one", request), candidate("two", request, param="fallbacks[0].model")]
    with pytest.raises(GatewayError, match="upstream_timeout"):
        await failover.run(call, candidates, scripted(call, left))


@pytest.mark.parametrize("away", ["one", "two"])
async def test_a_deployment_that_cannot_be_asked_hides_no_failure_of_another(away: str) -> None:
    request = parse_chat(b'{"model": "m", "prompt": "x"}')
    other = "two" if away == "one" else "one"
    call, left = of_acme(), {away: ["upstream_timeout"], other: ["unsupported_field"]}
    failover = Failover(HealthTable(BreakerSettings()), Budget(), granted, lambda: 0.5, granted)
    candidates = [
        candidate("m", request, deployments=("one", "two")),
        candidate("n", request, param="fallbacks[0].model"),
    ]
    assert await failover.run(call, candidates, scripted(call, left)) == "n"
    assert {one.deployment for one in call.attempts} == {"one", "two", "n"}
    assert [one.decision for one in call.attempts][:2] == [
        "go to the next target",
        "fall back to n",
    ]


def scripted(call: Call, left: dict[str, list[str]]) -> Send[str]:
    """Fails as is told of each deployment, then answers with its name."""

    async def send(target: Target, _request: ChatRequest) -> str:
        name = target.deployment.id
        call.attempts.append(
            Attempt(
                model=target.model.name, provider="p", deployment=name, upstream_model="x",
                host="h", started_us=0,
            )
        )  # fmt: skip
        if left.get(name):
            failure = left[name].pop(0)
            raise GatewayError(failure, failure)
        return name

    return send


async def test_other_deployments_come_before_fallbacks_and_not_where_all_would_say_the_same() -> (
    None
):
    request = parse_chat(b'{"model": "one", "prompt": "x"}')
    candidates = [
        candidate("one", request, deployments=("a", "b")),
        candidate("two", request, deployments=("c",)),
    ]
    for failure, asked in (("upstream_timeout", "a b c"), (LONG, "a c")):
        call = of_acme()
        send = scripted(call, {"a": [failure], "b": [failure]})
        failover = Failover(HealthTable(BreakerSettings()), Budget(), granted, lambda: 0.0, granted)
        assert await failover.run(call, candidates, send) == "c"
        assert [one.deployment for one in call.attempts] == asked.split()


async def test_a_failure_is_not_hidden_by_a_circuit_that_is_open_elsewhere() -> None:
    request = parse_chat(b'{"model": "one", "prompt": "x"}')
    healths, call = HealthTable(BreakerSettings(calls=1, pause=1000)), of_acme()
    healths["two"].failed(time.monotonic())
    failover = Failover(healths, Budget(), granted, lambda: 0.0, granted)
    candidates = [candidate("one", request), candidate("two", request)]
    with pytest.raises(GatewayError, match="upstream_timeout"):
        await failover.run(call, candidates, scripted(call, {"one": ["upstream_timeout"]}))
    assert call.notes[0] == "the circuit of one opened"
    assert call.notes[1].endswith("two (circuit open)")


async def test_of_a_budget_that_is_spent_no_other_deployment_is_asked() -> None:
    request, call = parse_chat(b'{"model": "one", "prompt": "x"}'), of_acme()
    failover = Failover(
        HealthTable(BreakerSettings()), Budget(attempts=1), granted, lambda: 0.0, granted
    )
    candidates = [candidate("one", request, deployments=("a", "b")), candidate("two", request)]
    with pytest.raises(GatewayError):
        await failover.run(call, candidates, scripted(call, {"a": ["upstream_timeout"]}))
    assert [one.deployment for one in call.attempts] == ["a"]


async def test_a_fallback_without_quota_is_passed_over_and_each_model_drawn_on_once() -> None:
    request = parse_chat(b'{"model": "one", "prompt": "x"}')
    drawn: list[str] = []

    async def reserve(_call: Call, _key: Key, model: Model, _request: ChatRequest) -> None:
        drawn.append(model.name)
        if model.name == "two":
            raise GatewayError("rate_limited", "none left")

    failover = Failover(HealthTable(BreakerSettings()), Budget(), reserve, lambda: 0.0, granted)
    candidates = [candidate(name, request) for name in ("one", "two", "three", "three")]
    silent = ["upstream_timeout"]
    call = of_acme()
    send = scripted(call, {"one": [*silent], "three": [*silent]})
    assert await failover.run(call, candidates, send) == "three"
    assert drawn == ["two", "three"]
    assert call.notes == ["fallback 'two' was passed over: none left"]
    call = of_acme()
    assert await failover.run(call, candidates[:1], scripted(call, {}), entered=False) == "one"
    assert drawn.pop() == "one"
    call = of_acme()
    with pytest.raises(GatewayError, match="upstream_timeout"):
        await failover.run(call, candidates[:2], scripted(call, {"one": [*silent]}))
    with pytest.raises(GatewayError, match="Nothing is left for the fallback 'two'"):
        await failover.run(of_acme(), candidates[1:2], scripted(call, {}), entered=False)


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


async def test_how_a_fallbacks_request_differs_is_noted_also_where_it_is_asked_beside() -> None:
    request = parse_chat(b'{"model": "one", "prompt": "x", "fallback_config": {"hedge": true}}')
    healths = HealthTable(BreakerSettings())
    for _ in range(100):
        healths["one"].pace(stream=False).add(0.0)
    call = of_acme()

    async def answers(target: Target, _request: ChatRequest) -> str:
        if target.model.name == "one":
            await asyncio.Event().wait()
        return target.model.name

    failover = Failover(healths, Budget(), granted, lambda: 0.0, granted)
    other = candidate("two", request)
    other.note = "asked otherwise"
    assert await failover.run(call, [candidate("one", request), other], answers) == "two"
    hedged, noted = call.notes
    assert hedged.startswith("hedged: one took longer")
    assert noted == "asked otherwise"


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
