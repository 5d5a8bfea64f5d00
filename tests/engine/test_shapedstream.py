"""Streams in form, where two targets were asked that have to be read differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import msgspec

from callgate.core.chat import Chunk
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.engine.call import Call
from callgate.engine.checkers import Checkers
from callgate.engine.healing import HealingStream
from callgate.engine.shapedstream import ShapedStream
from callgate.providers.registry import VENDORS

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}}
BODY = {
    "model": "m",
    "prompt": "x",
    "stream": True,
    "response_format": {"type": "json_schema", "json_schema": {"name": "p", "schema": SCHEMA}},
}
ARGUMENTS = '{"name": "Ada"}'


def target(vendor: str, model: str) -> Target:
    deployment = Deployment(
        id=vendor, provider=vendor, vendor=VENDORS[vendor], upstream_model=model,
        origin=Origin("https", "h", 443), path="", secret=Secret(""),
    )  # fmt: skip
    return Target(Model(name="m", deployments=(deployment,)), deployment)


class Scripted:
    def __init__(self, *chunks: Chunk) -> None:
        self._chunks = list(chunks)

    async def next(self) -> Sequence[Chunk] | None:
        return [self._chunks.pop(0)] if self._chunks else None


def chunk(delta: dict[str, Any], finish: str | None = None) -> Chunk:
    return Chunk(choices=[{"index": 0, "delta": delta, "finish_reason": finish}])


async def test_whichever_of_two_answers_is_read_in_its_own_way() -> None:
    call = Call("id", 0.0, "POST", "/")
    shaped = ShapedStream(call, Checkers())
    request = parse_chat(msgspec.json.encode(BODY))
    by_tool, native = target("anthropic", "claude-3-5-haiku"), target("openai", "gpt-4.1")
    assert shaped.asked(by_tool, request).body.tools
    assert not shaped.asked(native, request).body.tools
    call.target = by_tool
    tool = {"index": 0, "function": {"name": "p", "arguments": ARGUMENTS}}
    stream = Scripted(chunk({"tool_calls": [tool]}), chunk({}, "tool_calls"))
    shaped.stream = cast("HealingStream", stream)
    taken = [one.choices[0] for _ in range(2) for one in await shaped.next() or ()]
    assert taken[0]["delta"] == {"content": ARGUMENTS}
    assert taken[1]["finish_reason"] == "stop"
