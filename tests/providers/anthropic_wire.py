"""What the Anthropic dialect's tests share: requests, judged by Anthropic's own SDK."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from callgate.core.http import HttpRequest
from callgate.core.validate import parse_chat
from callgate.providers.anthropic.dialect import Anthropic

from .samples import target_of

# The types are those of the API's version 2026-10-21; 2023-06-01, which is spoken, has these too.
OLDER_FIELDS = {"temperature", "top_p", "top_k"}


@cache
def _types() -> dict[bool, TypeAdapter[Any]]:
    """Imported by who needs it, as it takes seconds: not every process of the tests does."""
    from anthropic.types.message_create_params import (
        MessageCreateParamsNonStreaming,
        MessageCreateParamsStreaming,
    )

    return {
        False: TypeAdapter(MessageCreateParamsNonStreaming),
        True: TypeAdapter(MessageCreateParamsStreaming),
    }


def judge(body: dict[str, Any]) -> None:
    """Raises ValidationError for what Anthropic's SDK would not send."""
    fields = {key: value for key, value in body.items() if key not in OLDER_FIELDS}
    _walk(_types()[body.get("stream", False)].validate_python(fields, extra="forbid"))


def _walk(value: object) -> None:
    """The SDK's lists are checked as they are read."""
    if isinstance(value, Mapping):
        for one in value.values():
            _walk(one)
    elif isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for one in value:
            _walk(one)


def request(body: dict[str, Any], model: str = "claude-sonnet-4-5") -> HttpRequest:
    """A caller's body as it goes to Anthropic."""
    chat = parse_chat(json.dumps({"model": "m", **body}).encode())
    return Anthropic().encode(chat, target_of("anthropic", upstream_model=model))


def sent(body: dict[str, Any], model: str = "claude-sonnet-4-5") -> dict[str, Any]:
    """The same as the JSON that arrives there, found valid."""
    arrived: dict[str, Any] = json.loads(request(body, model).body)
    judge(arrived)
    return arrived
