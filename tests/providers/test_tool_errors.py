"""A tool that failed is told as such by every dialect that can; the others refuse by name."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.registry import dialect

from .samples import target_of

MESSAGES: list[dict[str, Any]] = [
    {"role": "user", "content": "Is it raining?"},
    {
        "role": "assistant",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "no network", "is_error": True},
]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]


def sent(vendor: str) -> dict[str, Any]:
    target = target_of(vendor)
    asked = {"model": "m", "messages": MESSAGES, "tools": TOOLS}
    request = parse_chat(json.dumps(asked).encode())
    encoded = dialect(target.deployment.vendor.dialect).encode(request, target)
    return dict(json.loads(encoded.body))


def test_anthropic_marks_the_result() -> None:
    (result,) = sent("anthropic")["messages"][-1]["content"]
    assert result["is_error"] is True
    assert result["content"] == "no network"


def test_anthropic_is_told_of_a_failure_without_words_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(MESSAGES[-1], "content", "")
    (result,) = sent("anthropic")["messages"][-1]["content"]
    assert (result["is_error"], result["content"]) == (True, "error")


def test_bedrock_gives_it_a_status() -> None:
    (block,) = sent("bedrock")["messages"][-1]["content"]
    assert block["toolResult"]["status"] == "error"
    assert block["toolResult"]["content"] == [{"text": "no network"}]


def test_gemini_answers_under_error() -> None:
    (part,) = sent("gemini")["contents"][-1]["parts"]
    assert part["functionResponse"]["response"] == {"error": "no network"}


def test_an_openai_server_gets_the_field_as_it_came() -> None:
    assert sent("openai")["messages"][-1]["is_error"] is True


def test_cohere_has_no_such_mark() -> None:
    with pytest.raises(GatewayError) as refused:
        sent("cohere")
    assert refused.value.kind.type == "unsupported_field"
    assert refused.value.param == "messages[2].is_error"
