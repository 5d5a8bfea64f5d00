"""Requests encoded for Bedrock, each held against AWS's own description of Converse."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest

from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.bedrock.dialect import Bedrock

from .converse_model import mistakes
from .samples import target_of

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
ADAPTIVE = "us.anthropic.claude-sonnet-4-6"
VEILED = "us.anthropic.claude-sonnet-5"
NOVA = "us.amazon.nova-2-lite-v1:0"
COMMAND = "cohere.command-r-plus-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
QWEN = "qwen.qwen3-32b-v1:0"
OSS = "openai.gpt-oss-120b-1:0"
GPT = "us.openai.gpt-6-luna"

PNG = base64.b64encode(b"\x89PNG some picture").decode()
PDF = base64.b64encode(b"%PDF-1.4 some pages").decode()
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "Tells the weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CLOCK = {"type": "function", "function": {"name": "clock"}}
HELLO = [{"role": "user", "content": "Hello"}]


def bedrock(model: str = CLAUDE, **options: str) -> Target:
    target = target_of("bedrock", upstream_model=model)
    return target.replace(deployment=replace(target.deployment, options=dict(options)))


def encoded(body: dict[str, Any], model: str = CLAUDE, **options: str) -> dict[str, Any]:
    """The body that is sent, which AWS's description has nothing against."""
    given = {"model": "asked", "messages": HELLO, **body}
    request = Bedrock().encode(parse_chat(json.dumps(given).encode()), bedrock(model, **options))
    assert mistakes(request.body) == ""
    sent: dict[str, Any] = json.loads(request.body)
    return sent


def refused(body: dict[str, Any], model: str = CLAUDE) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        encoded(body, model)
    assert caught.value.kind.status == 400
    return caught.value
