"""The candidates of a call: what a fallback's request is made of."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from callgate.core.validate import parse_chat
from callgate.engine.candidates import at_fallback, overridden
from callgate.errors import GatewayError

ASKED: dict[str, Any] = {
    "model": "one",
    "messages": [{"role": "user", "content": "x"}],
    "temperature": 0.5,
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "fallbacks": [{"model": "two"}],
    "fallback_config": {"retry": False},
    "strange": [1.50],
}


@pytest.mark.parametrize("asked", [ASKED, {"prompt": "x", "model": "one", "stream": True}])
def test_who_names_a_model_alone_asks_it_the_same(asked: dict[str, Any]) -> None:
    request = parse_chat(json.dumps(asked).encode())
    made = overridden(request, {"model": "two"}, 0)
    whole = {name: value for name, value in asked.items() if name != "fallbacks"}
    read = parse_chat(json.dumps({**whole, "model": "two"}).encode())
    assert msgspec.json.encode(made.body) == msgspec.json.encode(read.body)
    assert {name: bytes(raw) for name, raw in made.raw.items()} == {
        name: bytes(raw) for name, raw in read.raw.items()
    }
    assert list(made.raw) == list(read.raw)
    assert made.unknown == read.unknown
    assert msgspec.json.encode(made.messages) == msgspec.json.encode(read.messages)
    assert made.messages is request.messages
    assert request.body.model == "one"


@pytest.mark.parametrize(
    ("param", "fix"),
    [
        ("seed", "Set `seed` to null in `fallbacks[2]`, or name"),
        ("tools[0].type", "Give `tools` of its own to `fallbacks[2]`, or name"),
        ("response_format.json_schema.schema.pattern", "Say it otherwise."),
        (None, "Say it otherwise."),
    ],
)
def test_the_way_out_is_what_mends_the_fallback(param: str | None, fix: str) -> None:
    error = GatewayError("unsupported_field", "no", param=param, fix="Say it otherwise.")
    assert at_fallback(error, 2).fix.startswith(fix)
