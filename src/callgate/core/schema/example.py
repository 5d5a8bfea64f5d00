"""A value of the form that a JSON Schema asks for, to be shown to a model: the smallest it allows.

Conditions (`not`, `if`, `pattern`, …) are not looked at: the example shows the form, not the rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from callgate.core.chat import Json

_MAX_NODES = 200
_MAX_TEXT = 200
_MAX_ITEMS = 3
_TEXT = "text"
_FORMATS = MappingProxyType(
    {
        "date": "2026-01-31",
        "date-time": "2026-01-31T12:00:00Z",
        "time": "12:00:00Z",
        "duration": "PT1H",
        "email": "name@example.com",
        "idn-email": "name@example.com",
        "hostname": "example.com",
        "idn-hostname": "example.com",
        "ipv4": "192.0.2.1",
        "ipv6": "2001:db8::1",
        "uri": "https://example.com/",
        "uri-reference": "/path",
        "iri": "https://example.com/",
        "iri-reference": "/path",
        "uuid": "123e4567-e89b-42d3-a456-426614174000",
        "json-pointer": "/path",
        "regex": "[a-z]+",
    }
)
_IMPLIED = MappingProxyType(
    {
        "properties": "object",
        "required": "object",
        "additionalProperties": "object",
        "items": "array",
        "prefixItems": "array",
        "minItems": "array",
        "minLength": "string",
        "pattern": "string",
        "format": "string",
        "minimum": "number",
        "maximum": "number",
    }
)


class _NoExampleError(Exception):
    """There is none that is small enough."""


def example_of(schema: Json) -> Any:
    """An example of what the schema asks for; None where there is none that is small enough.

    `schema` is one that has been let in: without references that lead out of it or in a circle.
    Where schemas cannot be checked, its keywords may be anything; then too there is none.
    """
    try:
        return _Walk(schema).value(schema, frozenset())
    except (_NoExampleError, OverflowError):  # which numbers at the ends of their range cause
        return None
    except (TypeError, AttributeError):  # a keyword with a value of another kind
        return None


class _Walk:
    def __init__(self, document: Json) -> None:
        self._document = document
        self._nodes = 0
        self._of: Mapping[str, Callable[[Json, frozenset[str]], Any]] = {
            "object": self._object,
            "array": self._array,
            "string": _string,
            "integer": _number,
            "number": _number,
            "boolean": lambda *_: True,
            "null": lambda *_: None,
        }

    def value(self, schema: Any, above: frozenset[str]) -> Any:
        """An example of one node; `above` are the references that led here."""
        self._nodes += 1
        if self._nodes > _MAX_NODES or schema is False:
            raise _NoExampleError
        if not isinstance(schema, dict):
            return _TEXT
        for key, first in (("const", False), ("enum", True), ("examples", True)):
            given = schema.get(key, ())
            if key in schema and not first:
                return given
            if isinstance(given, list) and given:
                return given[0]
        ref = schema.get("$ref")
        made = [self._referred(ref, above)] if isinstance(ref, str) else []
        made += [self.value(one, above) for one in schema.get("allOf") or ()]
        made += [self._either(schema[key], above) for key in ("anyOf", "oneOf") if schema.get(key)]
        kind = _kind(schema)
        if kind is not None or not made:
            made.append(self._of.get(kind or "string", _string)(schema, above))
        if all(isinstance(one, dict) for one in made):
            return {name: value for one in made for name, value in one.items()}
        return made[0]

    def _referred(self, ref: str, above: frozenset[str]) -> Any:
        if ref in above:
            raise _NoExampleError  # once more around is no smaller
        node: Any = self._document
        for step in ref.removeprefix("#").split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            try:
                node = node[int(name)] if isinstance(node, list) else node[name]
            except (KeyError, IndexError, ValueError, TypeError):
                raise _NoExampleError from None
        return self.value(node, above | {ref})

    def _either(self, ways: list[Any], above: frozenset[str]) -> Any:
        for way in ways:
            try:
                return self.value(way, above)
            except _NoExampleError:
                continue
        raise _NoExampleError

    def _object(self, schema: Json, above: frozenset[str]) -> Json:
        made = {}
        required = schema.get("required") or ()
        for name, one in (schema.get("properties") or {}).items():
            try:
                made[name] = self.value(one, above)
            except _NoExampleError:
                if name in required:
                    raise
        for name in required:
            if not isinstance(name, str):
                raise _NoExampleError
            made.setdefault(name, _TEXT)
        rest = schema.get("additionalProperties", True)
        least = max(schema.get("minProperties") or 0, 0 if made or rest is False else 1)
        most = min(least, schema.get("maxProperties") or least, _MAX_ITEMS)
        while rest is not False and len(made) < most:
            made[f"name{len(made) + 1}"] = self.value(rest, above)
        return made

    def _array(self, schema: Json, above: frozenset[str]) -> list[Any]:
        made = [self.value(one, above) for one in schema.get("prefixItems") or ()]
        if isinstance(wanted := schema.get("contains"), dict):
            made.append(self.value(wanted, above))
        items = schema.get("items", True)
        least, most = schema.get("minItems") or 0, schema.get("maxItems", math.inf)
        while items is not False and len(made) < min(max(least, 1), most, _MAX_ITEMS):
            made.append(self.value(items, above))
        return made


def _kind(schema: Json) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, list):
        return next((one for one in kind if one != "null"), "null")
    if kind is None:
        return next((_IMPLIED[key] for key in schema if key in _IMPLIED), None)
    return str(kind)


def _string(schema: Json, _above: frozenset[str] = frozenset()) -> str:
    text = _FORMATS.get(str(schema.get("format")), _TEXT)
    least = int(min(schema.get("minLength") or 0, _MAX_TEXT))  # 5.0 is a length too
    text += "x" * (least - len(text))
    most = int(min(schema.get("maxLength", _MAX_TEXT), _MAX_TEXT))
    return text[:most] if text not in _FORMATS.values() else text


def _number(schema: Json, _above: frozenset[str]) -> float:
    step = schema.get("multipleOf") or 1
    low = schema.get("minimum", -math.inf)
    high = schema.get("maximum", math.inf)
    if "exclusiveMinimum" in schema:
        low = max(low, schema["exclusiveMinimum"] + step)
    if "exclusiveMaximum" in schema:
        high = min(high, schema["exclusiveMaximum"] - step)
    number = min(max(step, low), high)
    if number % step:
        number = math.ceil(low / step) * step if math.isfinite(low) else number
    whole = schema.get("type") == "integer" or float(number).is_integer()
    return int(number) if whole else number
