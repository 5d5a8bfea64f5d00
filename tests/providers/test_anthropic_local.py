"""The Anthropic dialect against a real server that speaks it: llama.cpp's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse, split_url
from callgate.core.models import Deployment, Model, Timeouts
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.local.process import LocalServer
from callgate.providers.anthropic.dialect import Anthropic
from callgate.providers.auth import authorize
from callgate.providers.registry import VENDORS
from callgate.upstream.client import Client, Response, UpstreamSettings

ASK = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": [{"type": "text", "text": "Why is the sky blue?"}]},
    ],
    "max_tokens": 12,
    "temperature": 0,
}


@pytest.fixture(scope="module")
def server(weights: Path) -> Iterator[LocalServer]:
    with LocalServer(weights, context_length=512) as running:
        yield running


@pytest.fixture
def target(server: LocalServer) -> Target:
    origin, path = split_url(f"http://127.0.0.1:{server.port}/v1")
    deployment = Deployment(
        id="llama", provider="llama", vendor=VENDORS["anthropic"], upstream_model="SmolLM2",
        origin=origin, path=path, secret=server.secret,
    )  # fmt: skip
    return Target(Model(name="m", deployments=(deployment,)), deployment)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    client = Client(UpstreamSettings())
    yield client
    await client.aclose()


async def send(client: Client, target: Target, **changes: Any) -> Response:
    chat = parse_chat(json.dumps({**ASK, **changes}).encode())
    request = authorize(Anthropic().encode(chat, target), target.deployment)
    return await client.send(request, Timeouts())


async def test_a_local_server_of_messages_answers_whole(client: Client, target: Target) -> None:
    response = await send(client, target)
    body = await response.read()
    assert response.status == 200, body
    answer = Anthropic().decode(HttpResponse(200, response.headers, body), target)
    (choice,) = answer.choices
    assert len(choice["message"]["content"]) > 10
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("length", "max_tokens")
    assert answer.usage is not None
    assert answer.usage.output_tokens == 12
    assert answer.usage.input_tokens > 5


async def test_a_local_server_of_messages_streams(client: Client, target: Target) -> None:
    response = await send(client, target, stream=True)
    assert response.status == 200
    decoder = Anthropic().decoder(target)
    chunks: list[Chunk] = []
    while not decoder.done:
        data = await response.receive()
        chunks += decoder.feed(data) if data else decoder.close()
    response.close()
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.choices]
    assert deltas[0]["role"] == "assistant"
    assert len("".join(one.get("content", "") for one in deltas)) > 10
    assert len(deltas) > 5
    assert decoder.skipped == 0
    assert chunks[-2].choices[0]["finish_reason"] == "length"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.output_tokens == 12


async def test_a_prompt_beyond_the_context_is_told_as_such(client: Client, target: Target) -> None:
    response = await send(client, target, messages=[{"role": "user", "content": "sky " * 2000}])
    body = await response.read()
    error = Anthropic().error(HttpResponse(response.status, response.headers, body), target)
    assert isinstance(error, GatewayError)
    assert error.kind.type == "context_too_long"
