"""The rewritings of `core.schema.adapt`: each says in the target's words what one node says.

A step takes a node that it may change and gives what has to be told in words besides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from callgate.core.chat import Json

Step = Callable[[Json], Json | None]

_TYPES: Mapping[type, str] = MappingProxyType(
    {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
)


def tuple_items(node: Json) -> None:
    """Drafts before 2020-12: a list in `items`, the rest in `additionalItems`."""
    if isinstance(node.get("items"), list):
        node["prefixItems"] = node.pop("items")
        if "additionalItems" in node:
            node["items"] = node.pop("additionalItems")
    else:
        node.pop("additionalItems", None)
    if "prefixItems" in node and node.get("items") is False:
        del node["items"]
        most = node.get("maxItems")
        size = len(node["prefixItems"]) if isinstance(node["prefixItems"], list) else 0
        node["maxItems"] = min(most, size) if type(most) is int else size


def const_to_enum(node: Json) -> None:
    """`const` as an `enum` of one, with its type."""
    if "const" in node:
        value = node.pop("const")
        node["enum"] = [value]
        if value is None:
            node["type"] = "null"
            del node["enum"]
        elif "type" not in node and type(value) in _TYPES:
            node["type"] = _TYPES[type(value)]


def null_of_enum(node: Json) -> None:
    """A null among an enum's members becomes a branch, or `nullable`, of its own."""
    members = node.get("enum")
    if not isinstance(members, list) or None not in members:
        return
    rest = [member for member in members if member is not None]
    if not rest:
        del node["enum"]
        node["type"] = "null"
        return
    node["enum"] = rest
    kind = node.get("type")
    if isinstance(kind, list):
        kinds = [one for one in kind if one != "null"]
        node["type"] = kinds[0] if len(kinds) == 1 else kinds
    if "anyOf" not in node and "oneOf" not in node:
        node["nullable"] = True


def nullable_to_type(node: Json) -> None:
    """OpenAPI's `nullable` as JSON Schema's type of null."""
    if node.pop("nullable", None) is not True:
        return
    kind = node.get("type")
    if "enum" in node:
        branch = {key: node.pop(key) for key in ("type", "enum", "format") if key in node}
        node["anyOf"] = [branch, {"type": "null"}]
    elif isinstance(kind, str) and kind != "null":
        node["type"] = [kind, "null"]
    elif isinstance(kind, list) and "null" not in kind:
        node["type"] = [*kind, "null"]
    else:
        for key in ("anyOf", "oneOf"):
            if isinstance(node.get(key), list):
                node[key] = [*node[key], {"type": "null"}]


def types_to_nullable(node: Json) -> None:
    """A list of types as one type, `nullable`, or as alternatives."""
    kinds = node.get("type")
    if not isinstance(kinds, list) or not all(isinstance(kind, str) for kind in kinds):
        return
    rest = [kind for kind in dict.fromkeys(kinds) if kind != "null"]  # each gets a copy of the rest
    if "null" in kinds and rest:
        node["nullable"] = True
    if len(rest) == 1:
        node["type"] = rest[0]
    elif not rest:
        node["type"] = "null"
    elif "anyOf" not in node:
        del node["type"]
        within = {key: node.pop(key) for key in tuple(node) if key in _OWNERS}
        node["anyOf"] = [
            {"type": kind} | {key: one for key, one in within.items() if kind in _OWNERS[key]}
            for kind in rest
        ]


def null_branch(node: Json) -> None:
    """An alternative that is null as `nullable`; a single one left is no alternative."""
    branches = node.get("anyOf")
    if not isinstance(branches, list):
        return
    rest = [one for one in branches if one != {"type": "null"}]
    if not rest and branches:
        del node["anyOf"]
        node["type"] = "null"
        return
    if len(rest) < len(branches):
        node["nullable"] = True
    node["anyOf"] = rest
    if len(rest) == 1 and isinstance(rest[0], dict) and not _clash(node, rest[0]):
        del node["anyOf"]
        node.update({**rest[0], **{key: node[key] for key in node if key in rest[0]}})


def one_of_to_any_of(node: Json) -> None:
    """`oneOf`, which targets read as `anyOf`."""
    if "oneOf" in node and "anyOf" not in node:
        node["anyOf"] = node.pop("oneOf")


def inclusive_bounds(node: Json) -> Json | None:
    """Exclusive bounds as inclusive ones: exact for integers, told in words besides for others."""
    told: Json = {}
    for exclusive, bound, step in (
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ):
        value = node.pop(exclusive, None)
        limit: Any = node.get(bound)
        if value is True:  # draft 4 has a flag beside the bound
            value = node.pop(bound, None)
            limit = None
        if type(value) not in (int, float):
            continue
        if node.get("type") == "integer" and value == int(value):
            value = int(value) + step
        else:
            told[exclusive] = value
        tighter = max if step > 0 else min
        node[bound] = tighter(limit, value) if type(limit) in (int, float) else value
    return told or None


def declare_required(node: Json) -> None:
    """Every required property has to be declared."""
    required = node.get("required")
    if isinstance(required, list) and required:
        properties = node.get("properties")
        known = properties if isinstance(properties, dict) else {}
        absent = [name for name in required if isinstance(name, str) and name not in known]
        if absent and (properties is None or isinstance(properties, dict)):
            node["properties"] = {**known, **{name: {} for name in absent}}


def open_properties(node: Json) -> None:
    """What JSON Schema takes for granted need not be said."""
    for key in ("additionalProperties", "unevaluatedProperties", "unevaluatedItems"):
        if node.get(key) in (True, {}):
            del node[key]
    if node.get("propertyNames") in (True, {}, {"type": "string"}):
        del node["propertyNames"]


def closed_properties(node: Json) -> None:
    """The target gives declared properties only, so that neither way need be said."""
    open_properties(node)
    if node.get("additionalProperties") is False and node.get("properties"):
        del node["additionalProperties"]


def closed_objects(node: Json) -> None:
    """An object says that it has declared properties only: narrower, where it was left open."""
    if node.get("properties") and node.get("additionalProperties") in (None, True):
        node["additionalProperties"] = False


def object_schemas(node: Json) -> None:
    """Schemas that are `true` say nothing, and go; `false` at an array's end is a bound of it."""
    for key in ("items", "additionalItems", "contains", "unevaluatedItems", "propertyNames"):
        if node.get(key) is True:
            del node[key]


def declare_type(node: Json) -> None:
    """The type, which the target wants to be told, from what else is said."""
    if "type" in node or "anyOf" in node:
        return
    if "properties" in node or "required" in node:
        node["type"] = "object"
    elif "items" in node:
        node["type"] = "array"
    elif isinstance(node.get("enum"), list):
        kinds = {_TYPES.get(type(member), "") for member in node["enum"]}
        if len(kinds) == 1:
            node["type"] = kinds.pop()


_STRINGS = ("string",)
_NUMBERS = ("integer", "number")
_OWNERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "minLength": _STRINGS,
        "maxLength": _STRINGS,
        "pattern": _STRINGS,
        "minimum": _NUMBERS,
        "maximum": _NUMBERS,
        "exclusiveMinimum": _NUMBERS,
        "exclusiveMaximum": _NUMBERS,
        "multipleOf": _NUMBERS,
        "items": ("array",),
        "minItems": ("array",),
        "maxItems": ("array",),
        "properties": ("object",),
        "required": ("object",),
        "additionalProperties": ("object",),
        "format": (*_STRINGS, *_NUMBERS),
    }
)
"""The types of value that a keyword speaks of."""


def _clash(node: Json, branch: Json) -> bool:
    return any(
        key in branch and branch[key] != value and key not in ("description", "title", "default")
        for key, value in node.items()
        if key != "anyOf"
    )


STEPS: Mapping[str, Step] = MappingProxyType(
    {
        step.__name__: step
        for step in (
            tuple_items, const_to_enum, null_of_enum, nullable_to_type, types_to_nullable,
            null_branch, one_of_to_any_of, inclusive_bounds, declare_required, open_properties,
            closed_properties, declare_type, closed_objects, object_schemas,
        )
    }
)  # fmt: skip
