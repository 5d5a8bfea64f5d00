"""The table of JSON Schema's keywords by provider, made from what is sent to each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from callgate.core.schema.adapt import adapt
from callgate.core.structured import Forms, may_be_arguments
from callgate.errors import GatewayError
from callgate.providers.forms import forms_by_name

_COLUMNS = (
    ("OpenAI, Azure", "openai", "openai", "gpt-4.1"),
    ("Anthropic", "anthropic", "anthropic", "claude-opus-4-8"),
    ("Bedrock (Claude)", "bedrock", "bedrock", "anthropic.claude-sonnet-4-5"),
    ("Gemini", "gemini", "gemini", "gemini-2.5-flash"),
    ("Cohere", "cohere", "cohere", "command-a-03-2025"),
    ("llama.cpp", "llama.cpp", "openai", ""),
)
_STRING: Any = {"type": "string"}
_INTEGER: Any = {"type": "integer"}
_CLOSED: Any = {"type": "object", "properties": {"a": _STRING}, "required": ["a"]}

_PROPERTIES: tuple[tuple[str, Any], ...] = (
    ("`type`: each of the seven", _STRING),
    ("`type`: a list of types", {"type": ["string", "null"]}),
    ("no `type`: any value", {}),
    ("`true` as a schema", True),
    ("`enum` of strings", {"type": "string", "enum": ["a", "b"]}),
    ("`enum` of numbers", {"enum": [1, 2.5]}),
    ("`enum` with null", {"enum": ["a", None]}),
    ("`enum` of objects", {"enum": [{"a": 1}]}),
    ("`const`", {"const": "a"}),
    ("`minLength`, `maxLength`", {"type": "string", "minLength": 1, "maxLength": 9}),
    ("`pattern`", {"type": "string", "pattern": "^[a-z]+$"}),
    ("`format`: date-time, date, time", {"type": "string", "format": "date-time"}),
    ("`format`: email, hostname, ipv4, uuid", {"type": "string", "format": "email"}),
    ("`format`: uri", {"type": "string", "format": "uri"}),
    ("`format`: others", {"type": "string", "format": "regex"}),
    ("`minimum`, `maximum`", {"type": "integer", "minimum": 1, "maximum": 9}),
    ("`exclusiveMinimum` of integers", {"type": "integer", "exclusiveMinimum": 0}),
    ("`exclusiveMaximum` of numbers", {"type": "number", "exclusiveMaximum": 1}),
    ("`multipleOf`", {"type": "integer", "multipleOf": 5}),
    ("`items`", {"type": "array", "items": _STRING}),
    ("`minItems`, `maxItems`", {"type": "array", "items": _STRING, "minItems": 1, "maxItems": 9}),
    ("`prefixItems`", {"type": "array", "prefixItems": [_STRING, _INTEGER]}),
    ("`prefixItems` with `items: false`",
     {"type": "array", "prefixItems": [_STRING, _INTEGER], "items": False}),
    ("`uniqueItems`", {"type": "array", "items": _STRING, "uniqueItems": True}),
    ("`contains`", {"type": "array", "items": _STRING, "contains": {"const": "a"}}),
    ("nested objects", {**_CLOSED, "additionalProperties": False}),
    ("an object left open", _CLOSED),
    ("an optional property",
     {"type": "object", "properties": {"a": _STRING}, "additionalProperties": False}),
    ("`additionalProperties`: a schema", {"type": "object", "additionalProperties": _STRING}),
    ("an object of any properties", {"type": "object"}),
    ("`patternProperties`", {**_CLOSED, "patternProperties": {"^x-": _STRING}}),
    ("`propertyNames`", {**_CLOSED, "propertyNames": {"maxLength": 9}}),
    ("`minProperties`, `maxProperties`", {**_CLOSED, "maxProperties": 3}),
    ("`dependentRequired`", {**_CLOSED, "dependentRequired": {"a": ["b"]}}),
    ("property names beyond ASCII",
     {"type": "object", "properties": {"größe": _INTEGER}, "required": ["größe"],
      "additionalProperties": False}),
    ("`anyOf`", {"anyOf": [_STRING, _INTEGER]}),
    ("`oneOf`", {"oneOf": [_STRING, _INTEGER]}),
    ("`allOf`", {"allOf": [_STRING, {"maxLength": 9}]}),
    ("`not`", {"type": "string", "not": {"const": "a"}}),
    ("`if`, `then`, `else`", {"type": "string", "if": {"const": "a"}, "then": {"maxLength": 1}}),
    ("`title`, `description`, `default`",
     {"type": "string", "title": "A", "description": "B", "default": "c"}),
    ("`$ref` into `$defs`", {"$ref": "#/$defs/text"}),
)  # fmt: skip
_NODE: Any = {
    "type": "object",
    "properties": {"next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
    "required": ["next"],
    "additionalProperties": False,
}
_WHOLE: tuple[tuple[str, Any], ...] = (
    ("a recursive `$ref`",
     {"$defs": {"node": _NODE}, "type": "object", "properties": {"a": {"$ref": "#/$defs/node"}},
      "required": ["a"], "additionalProperties": False}),
    ("a top that is an array", {"type": "array", "items": _STRING}),
    ("a top that is an `anyOf`", {"anyOf": [{**_CLOSED, "additionalProperties": False}, _STRING]}),
    ("a top that is a `$ref`", {"$defs": {"node": _NODE}, "$ref": "#/$defs/node"}),
)  # fmt: skip


def schemas() -> str:
    """What becomes of each keyword at each provider that restricts schemas."""
    lines = [
        "| | " + " | ".join(name for name, *_ in _COLUMNS) + " |",
        "|---" * (len(_COLUMNS) + 1) + "|",
    ]
    for title, schema in _rows():
        cells = [_cell(schema, forms_by_name(*row)) for _, *row in _COLUMNS]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def _rows() -> Iterator[tuple[str, Any]]:
    for title, schema in _PROPERTIES:
        whole = {
            "type": "object",
            "properties": {"value": schema},
            "required": ["value"],
            "additionalProperties": False,
        }
        if isinstance(schema, dict) and "$ref" in schema:
            whole["$defs"] = {"text": _STRING}
        yield title, whole
    yield from _WHOLE


def _cell(schema: Any, forms: Forms) -> str:
    assert forms.schema
    for target in forms.schema:
        try:
            return "sent" if adapt(schema, target, strict=True) == schema else "rewritten"
        except GatewayError:
            continue
    try:
        adapt(schema, forms.schema[0], checked=True)
    except GatewayError:
        if forms.lenient:
            return "loose"
        return "function" if forms.tool and may_be_arguments(schema, forms) else "words"
    return "checked"
