"""References and `allOf` of a JSON Schema resolved into plain nodes.

https://json-schema.org/draft/2020-12/json-schema-core#section-8.2.3 and #section-10.2.1.1
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from callgate.core.chat import Json
from callgate.core.fieldpath import join
from callgate.core.schema.pointer import pointed
from callgate.core.schema.rules import MAX_DEPTH, SHAPES, VALUES
from callgate.errors import GatewayError

MAX_MERGED = 200_000
"""Members of nodes, of what they hold and of their lists, over all that is merged in a schema."""

MAX_LEVELS = 400
"""How deep a walk may be that goes on through references."""

Refs = frozenset[str]
Count = Callable[[str], None]
"""Counts one more node at this path; raises where there are too many."""

_SENSES = SHAPES | VALUES

_TIGHTER: Mapping[str, Callable[[Any, Any], Any]] = MappingProxyType(
    {
        **dict.fromkeys(("minimum", "minLength", "minItems", "minProperties"), max),
        **dict.fromkeys(("maximum", "maxLength", "maxItems", "maxProperties"), min),
        "exclusiveMinimum": max,
        "exclusiveMaximum": min,
    }
)


class Resolver:
    """Resolves within one document. A reference that leads back to itself is refused."""

    __slots__ = ("_count", "_document", "_merged")

    def __init__(self, document: Json, count: Count) -> None:
        self._document = document
        self._count = count
        self._merged = 0

    def resolve(self, node: Json, path: str, above: Refs, depth: int = 0) -> tuple[Json, Refs]:
        """The node without `$ref` and `allOf`, and the references that led into it.

        `above` are those that led to the node, `depth` counts `allOf` within `allOf`. Raises
        GatewayError `unsupported_field`.
        """
        self._count(path)
        if depth > MAX_DEPTH:
            raise refused(path, f"more than {MAX_DEPTH} levels of allOf", "Make it flatter.")
        used = above
        while "$ref" in node:
            where = join(path, "$ref")
            ref = node["$ref"]
            if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
                raise refused(where, "a reference out of the schema", "Write it out in place.")
            if ref in used:
                raise refused(where, "a recursive schema", "Write out as many levels as needed.")
            self._count(path)
            used |= {ref}
            beside = {key: value for key, value in node.items() if key != "$ref"}
            node = self._together(self.found(ref, where), beside, where)
        branches = node.get("allOf")
        if branches is None:
            return node, used
        where = join(path, "allOf")
        if not isinstance(branches, list):
            raise malformed(where, "an array")
        node = {key: value for key, value in node.items() if key != "allOf"}
        within = used
        for index, branch in enumerate(branches):
            if not isinstance(branch, dict):
                raise malformed(f"{where}[{index}]", "an object")
            plain, refs = self.resolve(branch, f"{where}[{index}]", used, depth + 1)
            within |= refs
            node = self._together(node, plain, where)
        return node, within

    def _together(self, one: Json, other: Json, path: str) -> Json:
        """`merged`, as long as all of it together is no more work than a schema may be."""
        shared = one.keys() & other.keys()
        self._merged += (
            len(one)
            + _extent(other)
            + sum(len(one[key]) for key in shared if isinstance(one[key], dict | list))
        )
        if self._merged > MAX_MERGED:
            raise refused(path, f"more than {MAX_MERGED} members to merge", "State it once.")
        return merged(one, other, path)

    def found(self, ref: str, where: str) -> Json:
        """What an RFC 6901 pointer leads to."""
        try:
            value = pointed(self._document, ref)
        except LookupError:
            value = None
        if value is True:
            return {}
        if not isinstance(value, dict):
            raise malformed(where, "a reference to a schema")
        return value


def check_acyclic(document: Json, path: str) -> None:
    """Refuse a schema in which a reference leads back to itself.

    Raises GatewayError `unsupported_field`, `invalid_field` for a reference that leads nowhere.
    """
    resolver = Resolver(document, lambda _: None)
    done: set[str] = set()

    def follow(ref: Any, open_: Refs, depth: int) -> None:
        if not isinstance(ref, str) or ref in done:
            return
        if ref in open_:
            raise refused(path, "a recursive schema", "Write out as many levels as needed.")
        if len(open_) > MAX_DEPTH:
            raise refused(path, f"more than {MAX_DEPTH} references deep", "Make it flatter.")
        if not (ref == "#" or ref.startswith("#/")):
            raise refused(path, "a reference out of the schema", "Write it out in place.")
        walk(resolver.found(ref, path), open_ | {ref}, depth)
        done.add(ref)

    def walk(node: Any, open_: Refs, depth: int) -> None:
        if depth > MAX_LEVELS:
            raise refused(path, f"more than {MAX_LEVELS} levels deep", "Make it flatter.")
        if isinstance(node, dict):
            follow(node.get("$ref"), open_, depth + 1)
        inner = node.values() if isinstance(node, dict) else node
        for value in inner if isinstance(node, dict | list) else ():
            if isinstance(value, dict | list):
                walk(value, open_, depth + 1)

    walk(document, frozenset({"#"}), 0)


def merged(one: Json, other: Json, path: str) -> Json:
    """A node that demands what both demand; where both annotate, `other` speaks.

    Raises GatewayError `unsupported_field` where that cannot be said in one node.
    """
    _check_closed(one, other, path)
    out = dict(one)
    for key, value in other.items():
        if key not in out or key not in _SENSES or _equal(out[key], value):
            out[key] = value
        elif key in _MERGES:
            out[key] = _MERGES[key](out[key], value, join(path, key))
        elif key in _TIGHTER and _numbers(out[key], value):
            out[key] = _TIGHTER[key](out[key], value)
        else:
            raise refused(path, f"two different values of {key}", "State it once.")
    return out


def _check_closed(one: Json, other: Json, path: str) -> None:
    for closed, open_ in ((one, other), (other, one)):
        rest = closed.get("additionalProperties", True)
        if rest is not True and _names(open_) - _names(closed):
            raise refused(path, "additionalProperties beside allOf", "State it once.")


def _names(node: Json) -> set[str]:
    properties = node.get("properties")
    return set(properties) if isinstance(properties, dict) else set()


def _maps(one: Any, other: Any, path: str) -> Json:
    if not isinstance(one, dict) or not isinstance(other, dict):
        raise malformed(path, "an object")
    out = dict(one)
    for key, value in other.items():
        same = key not in out or _equal(out[key], value)
        out[key] = value if same else _schemas(out[key], value, path)
    return out


def _union(one: Any, other: Any, path: str) -> list[Any]:
    if not isinstance(one, list) or not isinstance(other, list):
        raise malformed(path, "an array")
    known = {_hashable(item) for item in one}
    return [*one, *(item for item in other if _hashable(item) not in known)]


def _common(one: Any, other: Any, path: str) -> list[Any]:
    if not isinstance(one, list) or not isinstance(other, list):
        raise malformed(path, "an array")
    known = {_hashable(item) for item in other}
    both = [item for item in one if _hashable(item) in known]
    if not both:
        raise refused(path, "a schema that no value satisfies", "Correct it.")
    return both


def _equal(one: Any, other: Any) -> bool:
    """Whether JSON Schema takes two values for the same: `1` and `1.0`, but not `1` and `true`.

    https://json-schema.org/draft/2020-12/json-schema-core#section-4.2.2
    """
    return bool(one == other) and bool(_hashable(one) == _hashable(other))


def _hashable(value: Any) -> Any:
    """What is equal where the values are, and takes no search to be found among others."""
    if isinstance(value, bool):
        return (bool, value)
    if isinstance(value, list):
        return (list, *map(_hashable, value))
    if isinstance(value, dict):
        return frozenset((key, _hashable(one)) for key, one in value.items())
    return value


def _extent(value: Any) -> int:
    """How many members a value has, and all that it holds, counted up to `MAX_MERGED`."""
    count = 0
    rest = [value]
    while rest and count < MAX_MERGED:
        one = rest.pop()
        count += 1
        if isinstance(one, dict):
            rest += one.values()
        elif isinstance(one, list):
            rest += one
    return count + len(rest)


def _types(one: Any, other: Any, path: str) -> Any:
    left, right = (value if isinstance(value, list) else [value] for value in (one, other))
    both = [item for item in left if item in right]
    if not both and {"integer", "number"} <= {*map(str, left), *map(str, right)}:
        both = ["integer"]
    if not both:
        raise refused(path, "a schema that no value satisfies", "Correct it.")
    return both[0] if len(both) == 1 else both


def _schemas(one: Any, other: Any, path: str) -> Json:
    """Both at once; side by side however many there come to be, and not within each other."""
    inner = one.get("allOf") if isinstance(one, dict) and len(one) == 1 else None
    return {"allOf": [*inner, other] if isinstance(inner, list) else [one, other]}


def _any_of(one: Any, other: Any, path: str) -> Any:
    raise refused(path, "two alternatives at once", "State the combinations in one anyOf.")


_MERGES: Mapping[str, Callable[[Any, Any, str], Any]] = MappingProxyType(
    {
        "properties": _maps,
        "$defs": _maps,
        "definitions": _maps,
        "required": _union,
        "enum": _common,
        "type": _types,
        "items": _schemas,
        "anyOf": _any_of,
        "oneOf": _any_of,
    }
)


def _numbers(*values: object) -> bool:
    return all(type(value) in (int, float) for value in values)


def refused(path: str, what: str, fix: str) -> GatewayError:
    """The error for a part of a schema that the target cannot honour."""
    return GatewayError(
        "unsupported_field",
        f"Invalid request: '{path}' is not supported by this model's schemas: {what}",
        param=path,
        fix=fix,
    )


def malformed(path: str, wanted: str) -> GatewayError:
    """The error for a part of a schema that is none."""
    return GatewayError(
        "invalid_field", f"Invalid request: '{path}' must be {wanted} in a JSON Schema", param=path
    )
