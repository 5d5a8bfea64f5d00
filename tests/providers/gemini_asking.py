"""Ways to ask the Gemini dialect, for its tests."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from callgate.core.target import Target
from callgate.errors import GatewayError

from .gemini_types import encoded, sent
from .samples import target_of

HELLO = [{"role": "user", "content": "Hello"}]
PNG = "iVBORw0KGgo="


def gemini(model: str = "gemini-2.5-flash", vendor: str = "gemini", **options: str) -> Target:
    target = target_of(vendor, upstream_model=model)
    return target.replace(deployment=replace(target.deployment, options=options))


def config(body: dict[str, Any], model: str = "gemini-2.5-flash") -> dict[str, Any]:
    made: dict[str, Any] = sent({"messages": HELLO, **body}, gemini(model))["generationConfig"]
    return made


def contents(
    messages: list[dict[str, Any]], model: str = "gemini-2.5-flash"
) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = sent({"messages": messages}, gemini(model))["contents"]
    return made


def refusal(body: dict[str, Any], target: Target) -> tuple[str, str | None]:
    with pytest.raises(GatewayError) as caught:
        encoded({"messages": HELLO, **body}, target)
    assert caught.value.kind.origin == "client"
    return caught.value.kind.type, caught.value.param


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


# --- where it goes ------------------------------------------------------------------------------
TOOLS = [{"type": "function", "function": {"name": "f"}}]
