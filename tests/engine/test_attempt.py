"""One try: what it does where the request is unusual."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from types import MappingProxyType, SimpleNamespace
from typing import Any, cast

import pytest

from callgate.core.chat import Usage
from callgate.core.http import HttpRequest, Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.request import ChatRequest
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.engine.attempt import Try
from callgate.engine.call import Call
from callgate.errors import GatewayError
from callgate.providers.gemini.dialect import Gemini
from callgate.upstream.failure import timed_out

DEPLOYMENT = Deployment(
    id="p/m", provider="p", vendor=Vendor(name="p", dialect="gemini"), upstream_model="m",
    origin=Origin("http", "127.0.0.1", 80), path="/v1", secret=Secret(""),
)  # fmt: skip
TARGET = Target(Model(name="m", deployments=(DEPLOYMENT,)), DEPLOYMENT)


class Watched(Gemini):
    """The dialect, and who runs it."""

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        self.thread = threading.current_thread()
        return super().encode(request, target)


class Nobody:
    """A transport that leads nowhere."""

    async def send(self, *_: object, **__: object) -> Any:
        raise GatewayError("upstream_unreachable", "nobody is there")


@pytest.mark.parametrize(("properties", "aside"), [(2, False), (5000, True)])
async def test_many_schemas_are_encoded_while_others_are_served(
    properties: int, *, aside: bool
) -> None:
    schema = {"type": "object", "properties": {f"p{n}": {"enum": ["a"]} for n in range(properties)}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    asked = {"model": "m", "prompt": "x", "tools": [tool]}
    call = Call("id", 0.0, "POST", "/")
    one = Try(call, TARGET, cast("Any", Nobody()), cast("Any", None))
    one.dialect = watched = Watched()
    with pytest.raises(GatewayError):
        await one.send(parse_chat(json.dumps(asked).encode()))
    assert (watched.thread is not threading.current_thread()) == aside


class Waiting:
    """A transport whose caller leaves: once the request was `sent` whole, or before."""

    def __init__(self, *, sent: bool) -> None:
        self.sent = sent

    async def send(self, *_: object, sent: Callable[[], None], **__: object) -> Any:
        if self.sent:
            sent()
        raise asyncio.CancelledError


class Late:
    """A transport whose provider does not answer in time."""

    def __init__(self, *, sent: bool) -> None:
        self.sent = sent

    async def send(self, *_: object, sent: Callable[[], None], **__: object) -> Any:
        if self.sent:
            sent()
        raise timed_out("headers", "127.0.0.1", 1)


@pytest.mark.parametrize("transport", [Waiting, Late])
@pytest.mark.parametrize("sent", [True, False])
async def test_what_was_asked_and_not_waited_for_is_noted_with_its_prompt(
    transport: type[Waiting | Late], *, sent: bool
) -> None:
    request = parse_chat(json.dumps({"model": "m", "prompt": "x" * 398}).encode())
    call = Call("id", 0.0, "POST", "/")
    one = Try(call, TARGET, cast("Any", transport(sent=sent)), cast("Any", None))
    with pytest.raises((asyncio.CancelledError, GatewayError)):
        await one.whole(request)
    prompt = Usage(input_tokens=100, output_tokens=0, total_tokens=100, estimated=True)
    assert call.given_up == (((one.attempt, TARGET, prompt),) if sent else ())


async def test_an_answer_whose_usage_nobody_counted_has_an_estimate() -> None:
    class Terse:
        async def send(self, *_: object, **__: object) -> Any:
            parts = [{"text": "y" * 80}, {"functionCall": {"name": "look", "args": {"a": 1}}}]
            candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP"}

            async def read() -> bytes:
                return json.dumps({"candidates": [candidate]}).encode()

            return SimpleNamespace(
                status=200, headers={}, read=read, release=lambda: None, connect_us=0, headers_us=0
            )

    call, prompt = Call("id", 0.0, "POST", "/"), json.dumps({"model": "m", "prompt": "x" * 38})
    one = Try(call, TARGET, cast("Any", Terse()), cast("Any", None))
    answer = await one.whole(parse_chat(prompt.encode()))
    written = (80 + len('look{"a":1}')) // 4
    assert answer.usage == Usage(
        input_tokens=10, output_tokens=written, total_tokens=10 + written, estimated=True
    )


class Redirecting:
    """A provider that has moved."""

    status, connect_us, headers_us = 308, None, 10
    headers = MappingProxyType(
        {"location": "https://new.example/v1?key=sk-planted-0123456789abcdef"}
    )

    async def send(self, *_: object, **__: object) -> Redirecting:
        return self

    async def read(self, _limit: int) -> bytes:
        return b""

    def close(self) -> None:
        """Nothing to close."""


def one_try(transport: object) -> Try:
    return Try(Call("id", 0.0, "POST", "/"), TARGET, cast("Any", transport), cast("Any", None))


async def test_a_redirect_is_told_with_the_address_and_what_to_set() -> None:
    with pytest.raises(GatewayError) as caught:
        await one_try(Redirecting()).send(parse_chat(b'{"model": "m", "prompt": "x"}'))
    error = caught.value
    assert (error.kind.type, error.message) == (
        "bad_upstream_reply", "p answered with a redirect (status 308).",
    )  # fmt: skip
    assert "`base_url` of [providers.p]" in error.fix
    assert error.detail is not None
    assert error.detail.startswith("status 308: redirects to https://new.example/v1")
    assert "planted" not in error.detail


def test_a_failure_of_the_network_names_provider_to_callers_and_host_to_operators() -> None:
    one, error = one_try(Nobody()), timed_out("silence", "10.0.0.7:443", 30)
    with pytest.raises(GatewayError), one:
        raise error
    assert error.message == "p fell silent during the body for 30 s (silence timeout)"
    assert error.errors == (error.message,)
    assert one.attempt.message == error.detail
    assert error.detail == "10.0.0.7:443 fell silent during the body for 30 s (silence timeout)"
    assert error.fix == "Retry; the operator can raise `timeouts.silence`."
