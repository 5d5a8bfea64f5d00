"""What kinds of value there are, in plain words, and which a type's node takes."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from msgspec import inspect as nodes

KINDS: Mapping[type, str] = MappingProxyType(
    {
        bool: "a boolean",
        int: "an integer",
        float: "a number",
        str: "a string",
        dict: "an object",
        list: "an array",
        type(None): "null",
        datetime.date: "a date",
        datetime.datetime: "a date-time",
        datetime.time: "a time",
    }
)

_TAKES: Mapping[type[nodes.Type], tuple[str, frozenset[type]]] = MappingProxyType(
    {
        nodes.NoneType: ("null", frozenset({type(None)})),
        nodes.BoolType: ("a boolean", frozenset({bool})),
        nodes.IntType: ("an integer", frozenset({int})),
        nodes.FloatType: ("a number", frozenset({float, int})),
        nodes.StrType: ("a string", frozenset({str})),
        nodes.ListType: ("an array", frozenset({list, tuple})),
        nodes.DictType: ("an object", frozenset({dict})),
        nodes.StructType: ("an object", frozenset({dict})),
        nodes.DateType: ("a date", frozenset({datetime.date, str})),
    }
)


def expected(what: str, value: Any) -> str:
    """What a value of the wrong kind is told."""
    return f"expected {what}, got {KINDS.get(type(value), 'something else')}"


def show(value: Any) -> str:
    """A scalar in few characters."""
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:40] + "…")
    if isinstance(value, int) and value.bit_length() > 128:
        return "a far larger number" if value > 0 else "a far smaller number"
    if isinstance(value, int | float):
        return str(value).lower() if isinstance(value, bool) else f"{value}"
    return KINDS.get(type(value), "something else")


def taken(node: Any) -> frozenset[type] | None:
    """The kinds of value that a node can take; None for any."""
    if isinstance(node, nodes.LiteralType):
        return frozenset(map(type, node.values))
    row = _TAKES.get(type(node))
    return row[1] if row else None


def words(node: Any) -> str:
    """What a node expects."""
    if isinstance(node, nodes.LiteralType):
        allowed = [repr(one) for one in node.values]
        return allowed[0] if len(allowed) == 1 else f"one of {', '.join(allowed)}"
    row = _TAKES.get(type(node))
    return row[0] if row else "another value"
