"""What is sent to a fallback whose provider has no `cache_control`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.http import Origin
from callgate.core.models import Deployment, Model
from callgate.core.secret import Secret
from callgate.core.validate import parse_chat
from callgate.engine.candidates import overridden
from callgate.engine.unmarking import unmarked
from callgate.providers.registry import VENDORS

MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"const": MARK}}}
BARE: dict[str, Any] = {
    "model": "one",
    "messages": [
        {"role": "system", "content": "Long."},
        {"role": "user", "content": [{"type": "text", "text": "x"}]},
        {"role": "tool", "content": '{"cache_control": 1}', "tool_call_id": "c"},
    ],
    "tools": [TOOL],
}
MARKED: dict[str, Any] = {
    **BARE,
    "messages": [
        {**BARE["messages"][0], **MARK},
        {"role": "user", "content": [{"type": "text", "text": "x", **MARK}]},
        {**BARE["messages"][2], **MARK},
    ],
    "tools": [{**TOOL, **MARK}],
    **MARK,
}


def model(*vendors: str) -> Model:
    deployments = [
        Deployment(
            id=f"{vendor}/m",
            provider=vendor,
            vendor=VENDORS[vendor],
            upstream_model="m",
            origin=Origin("http", "localhost", 1),
            path="",
            secret=Secret(""),
        )
        for vendor in vendors
    ]
    return Model(name="two", deployments=tuple(deployments))


def sent(asked: dict[str, Any], entry: dict[str, Any], *vendors: str) -> dict[str, Any]:
    request = overridden(parse_chat(json.dumps(asked).encode()), entry, 0)
    made = unmarked(request, entry, model(*vendors))
    return {name: json.loads(bytes(value)) for name, value in made.raw.items()}


@pytest.mark.parametrize("vendors", [("gemini",), ("openai",), ("anthropic", "gemini")])
def test_a_fallback_without_such_marks_gets_none(vendors: tuple[str, ...]) -> None:
    assert sent(MARKED, {"model": "two"}, *vendors) == {**BARE, "model": "two"}


def test_a_fallback_that_takes_marks_gets_them() -> None:
    assert sent(MARKED, {"model": "two"}, "anthropic") == {**MARKED, "model": "two"}


def test_a_mark_that_the_fallback_itself_asks_for_stays() -> None:
    entry = {"model": "two", "tools": MARKED["tools"]}
    assert sent(MARKED, entry, "gemini") == {**BARE, **entry}


def test_what_nobody_knows_beside_a_mark_stays() -> None:
    kept = {"type": "text", "text": "x", "content": ["a", 1]}
    tool = {**TOOL, "content": ["a"]}
    messages = [{"role": "user", "content": [{**kept, **MARK}]}]
    asked = {"model": "one", "messages": messages, "tools": [{**tool, **MARK}]}
    made = sent(asked, {"model": "two"}, "gemini")
    assert made["messages"] == [{"role": "user", "content": [kept]}]
    assert made["tools"] == [tool]


@pytest.mark.parametrize("asked", [BARE, {"model": "one", "prompt": "cache_control"}])
def test_a_request_without_marks_is_the_same_one(asked: dict[str, Any]) -> None:
    request = parse_chat(json.dumps(asked).encode())
    assert unmarked(request, {"model": "two"}, model("gemini")) is request
