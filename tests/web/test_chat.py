"""What callers are told of a stream in which the gateway itself fails."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from callgate.cli.build import compiled
from callgate.core.chat import Chunk
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.engine.call import Call
from callgate.web.chat import Chat
from callgate.web.errorwriter import ErrorWriter
from callgate.web.settings import ChatSettings

DEPLOYMENT = Deployment(
    id="d",
    provider="p",
    vendor=Vendor(name="openai", dialect="openai"),
    upstream_model="m",
    origin=Origin("http", "h", 80),
    path="",
    secret=Secret(""),
)
TARGET = Target(Model(name="m", deployments=(DEPLOYMENT,)), DEPLOYMENT)


class Failing:
    """A stream of one chunk, behind which there is a defect."""

    def __init__(self) -> None:
        self.chunks = [Chunk(choices=[{"index": 0, "delta": {"content": "Hello"}}])]

    def __enter__(self) -> Failing:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    async def next(self) -> list[Chunk]:
        return [self.chunks.pop()]

    async def pour(self, *_: object) -> None:
        pass


@pytest.mark.skipif(compiled(), reason="a compiled chat route takes no stand-in for the engine")
async def test_a_defect_within_a_stream_is_told_in_it_and_not_taken_for_its_end() -> None:
    settled: list[tuple[int, str]] = []
    sent: list[bytes] = []

    async def stream(*_: object) -> Failing:
        return Failing()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["body"])

    engine = SimpleNamespace(
        stream=stream, settle=lambda call: settled.append((call.status, call.error.kind.type))
    )
    settings = ChatSettings(max_body_bytes=1, max_requests=1, max_queue=1, queue_timeout=1.0)
    none = cast("Any", None)
    chat = Chat(cast("Any", engine), none, none, settings, ErrorWriter())
    call = Call("01997c3e-7d3a-7c12-9a41-5c1f0c6f2b7e", 0.0, "POST", "/v1/chat/completions")
    call.target = TARGET
    exchange = SimpleNamespace(start=lambda *_: True, gone=False)
    await chat._stream(call, [], cast("Any", send), cast("Any", exchange))

    first, last = (json.loads(event.removeprefix(b"data: ")) for event in sent)
    assert first["choices"][0]["delta"]["content"] == "Hello"
    assert (last["error"]["type"], last["request_id"]) == ("internal_error", call.request_id)
    assert settled == [(500, "internal_error")]
