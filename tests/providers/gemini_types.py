"""Requests to Gemini held against the types of Google's own SDK."""

from __future__ import annotations

import json
from typing import Any

from google.genai import types

from callgate.core.http import HttpRequest
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.providers.registry import dialect

_FIELDS = {
    "contents": types.Content,
    "systemInstruction": types.Content,
    "tools": types.Tool,
    "toolConfig": types.ToolConfig,
    "safetySettings": types.SafetySetting,
    "generationConfig": types.GenerationConfig,
}


def encoded(body: dict[str, Any], target: Target) -> HttpRequest:
    """A validated chat request in the dialect."""
    request = parse_chat(json.dumps({"model": "asked-model", **body}).encode())
    return dialect("gemini").encode(request, target)


def sent(body: dict[str, Any], target: Target) -> dict[str, Any]:
    """What is sent for a chat request, found valid."""
    return valid(json.loads(encoded(body, target).body))


def valid(fields: dict[str, Any]) -> dict[str, Any]:
    """The fields, each of which has to be of the SDK's type."""
    for name, value in fields.items():
        model = _FIELDS[name]
        for one in value if isinstance(value, list) else [value]:
            model.model_validate(one)
            _camel(one, model)
    roles = [content["role"] for content in fields["contents"]]
    assert set(roles) <= {"user", "model"}
    assert all(content["parts"] for content in fields["contents"])
    return fields


def _camel(value: dict[str, Any], model: Any) -> None:
    """The types take both spellings; the REST API's own is the one with capitals."""
    aliases = {field.alias for field in model.model_fields.values()}
    assert set(value) <= aliases, set(value) - aliases
