"""What a caller's JSON Schema may cost: its size, depth, references and patterns are bounded.

Whether its keywords are well-formed is the validator's matter (`core.schema.conformance`); here is
what that would not find, or would find too late: a reference out of the schema, one that leads in
a circle, a value that would have to be endless, and a schema whose parts multiply.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from callgate.core.chat import Json
from callgate.core.fieldpath import join
from callgate.core.schema import pointer
from callgate.core.schema.rules import DEFINITIONS, LISTS, MAPS, MAX_DEPTH, MAX_NODES, SINGLES
from callgate.errors import GatewayError

MAX_BYTES = 256 * 1024
MAX_MEMBERS = 5_000
MAX_PATTERNS = 200
MAX_PATTERN = 1_000
MAX_REFS = 500
MAX_CHAIN = 64
MAX_LEVELS = 400
MAX_WEIGHT = 2_000
"""Bytes of the schema; members of all its enums; patterns, and the characters of one; places that
references lead to, how many of them within each other, and how many schemas with those between
them; subschemas that one value of the answer may be held against."""

_CONTAINER = 12
_FAR = 5_000
_PATTERN_KEYS = ("pattern", "patternProperties")
_IN_PLACE = frozenset({"allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas"})
"""Keywords whose schemas speak of the same value as the node that has them."""
_LISTS = LISTS | {"items"}  # the last one in drafts before 2020-12
_NAMED = frozenset({"properties"})


def check_bounds(schema: object, size: int, path: str) -> int:
    """How much work a value may be: the subschemas that speak of it at most, and what they compare.

    `size` is the schema's length in bytes, `path` where it stands in the request. Raises
    GatewayError `invalid_field` with the path of what is too much or leads nowhere.
    """
    if not isinstance(schema, dict):
        raise _fault(path, "must be an object")
    if size > MAX_BYTES:
        raise _fault(path, f"must have at most {MAX_BYTES} bytes, has {size}")
    survey = _Survey(schema, path)
    targets = survey.targets()
    if targets:
        _check_circles(targets)
        _check_finite(schema, targets, path)
    weight = _Weights(targets).of(schema)
    if weight > MAX_WEIGHT:
        words = f"checks a value against {weight} subschemas, which is more than {MAX_WEIGHT}"
        raise _fault(path, words)
    return _Weights(targets, compared=True).of(schema)


class _Place(NamedTuple):
    """Where a reference leads, and where it stands."""

    schema: Any
    where: str


def _children(node: Json) -> Iterator[tuple[str, str, Any]]:
    """Each subschema with its keyword and its path below the node."""
    for key, value in node.items():
        if key in MAPS and isinstance(value, dict):
            for name, one in value.items():
                yield key, join(key, name), one
        elif key in _LISTS and isinstance(value, list):
            for at, one in enumerate(value):
                yield key, f"{key}[{at}]", one
        elif key in SINGLES:
            yield key, key, value


class _Survey:
    """One walk over all nodes as they are written."""

    def __init__(self, document: Json, path: str) -> None:
        self._document = document
        self._nodes = self._members = self._patterns = 0
        self._refs: dict[str, str] = {}
        self._walk(document, path, 0)

    def targets(self) -> dict[str, _Place]:
        """What each reference of the document leads to."""
        return {
            ref: _Place(pointed(self._document, ref, where), where)
            for ref, where in self._refs.items()
        }

    def _walk(self, node: Any, path: str, depth: int) -> None:
        if not isinstance(node, dict):
            return
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise _fault(path, f"more than {MAX_NODES} subschemas")
        if depth > MAX_DEPTH:
            raise _fault(path, f"nested deeper than {MAX_DEPTH} schemas")
        self._count(node, path)
        for _, step, child in _children(node):
            self._walk(child, f"{path}.{step}", depth + 1)

    def _count(self, node: Json, path: str) -> None:
        members = node.get("enum")
        self._members += len(members) if isinstance(members, list) else 0
        if self._members > MAX_MEMBERS:
            raise _fault(join(path, "enum"), f"more than {MAX_MEMBERS} members of enums in all")
        for key in _PATTERN_KEYS:
            given = node.get(key)
            patterns = [given] if isinstance(given, str) else given
            for pattern in patterns if isinstance(patterns, list | dict) else ():
                self._patterns += 1
                if isinstance(pattern, str) and len(pattern) > MAX_PATTERN:
                    raise _fault(join(path, key), f"a pattern of over {MAX_PATTERN} characters")
        if self._patterns > MAX_PATTERNS:
            raise _fault(path, f"more than {MAX_PATTERNS} patterns in all")
        for key in ("$dynamicRef", "$recursiveRef"):
            if key in node:
                raise _fault(join(path, key), "is not supported; use $ref")
        ref = node.get("$ref")
        if ref is None:
            return
        where = join(path, "$ref")
        if not isinstance(ref, str) or not (ref == "#" or ref.startswith("#/")):
            raise _fault(where, "must refer to a part of the same schema, such as '#/$defs/name'")
        self._refs.setdefault(ref, where)
        if len(self._refs) > MAX_REFS:
            raise _fault(where, f"more than {MAX_REFS} different references")


def pointed(document: Json, ref: str, where: str) -> Any:
    """What a reference (RFC 6901, as a fragment) leads to. Raises GatewayError `invalid_field`."""
    try:
        value = pointer.pointed(document, ref)
    except LookupError:
        raise _fault(where, f"refers to nothing: {ref[:200]!r}") from None
    if not isinstance(value, dict | bool):
        raise _fault(where, f"refers to something that is not a schema: {ref[:200]!r}")
    return value


class _Weights:
    """The most subschemas that speak of one value.

    Those of differently named properties speak of different values, so the largest counts; all
    others may come together. A reference within itself counts once: the validator remembers it.
    With `compared`, also what it compares the value with, as `_compared` counts.
    """

    def __init__(self, targets: dict[str, _Place], *, compared: bool = False) -> None:
        self._targets = targets
        self._compared = compared
        self._known: dict[str, int] = {}
        self._depth = 0

    def of(self, node: Any, level: int = 0) -> int:
        """The weight of a node, `level` schemas below the outermost."""
        if not isinstance(node, dict):
            return 1
        total, largest = 1, 0
        if self._compared and isinstance(node.get("enum"), list):
            total += _compared(node["enum"])
        if self._compared and "multipleOf" in node:
            total += _divided(node["multipleOf"])
        for key, _, child in _children(node):
            if key in _NAMED:
                largest = max(largest, self.of(child, level + 1))
            elif key not in DEFINITIONS:
                total += self.of(child, level + 1)
        ref = node.get("$ref")
        if isinstance(ref, str):
            total += self._follow(ref, level + 1)
        return min(total + largest, 2**53)

    def _follow(self, ref: str, level: int) -> int:
        if ref not in self._known:
            place = self._targets[ref]
            self._depth += 1
            if self._depth > MAX_CHAIN:
                raise _fault(place.where, f"more than {MAX_CHAIN} references within each other")
            if level > MAX_LEVELS:
                raise _fault(place.where, f"more than {MAX_LEVELS} schemas within each other")
            self._known[ref] = 1
            self._known[ref] = self.of(place.schema, level)
            self._depth -= 1
        return self._known[ref]


def _compared(members: list[Any]) -> int:
    """How many comparisons an enum is: strings alone are looked up, others gone through.

    To compare with an object or an array takes as long as with a dozen numbers.
    """
    if all(isinstance(member, str) for member in members):
        return 0
    return sum(_CONTAINER if isinstance(member, dict | list) else 1 for member in members)


def _divided(by: Any) -> int:
    """How much work it is to divide, exactly, by this number; a far one takes many digits."""
    plain = isinstance(by, int | float) and (by == 0 or 1e-15 <= abs(by) <= 1e15)
    return 0 if plain else _FAR


# --- references in a circle ----------------------------------------------------------------------


def _check_circles(targets: dict[str, _Place]) -> None:
    """Refuse a reference that comes back to itself without a step into the value."""
    sound: set[str] = set()
    for first in targets:
        open_: list[str] = []
        steps: list[Iterator[str]] = [iter((first,))]
        while steps:
            ref = next(steps[-1], None)
            if ref is None:
                steps.pop()
                if open_:
                    sound.add(open_.pop())
            elif ref in open_:
                raise _fault(targets[ref].where, "refers to itself, in a circle")
            elif ref not in sound:
                open_.append(ref)
                steps.append(_in_place(targets[ref].schema))


def _in_place(node: Any) -> Iterator[str]:
    """The references that speak of the same value as the node."""
    if not isinstance(node, dict):
        return
    if isinstance(node.get("$ref"), str):
        yield node["$ref"]
    for key, _, child in _children(node):
        if key in _IN_PLACE:
            yield from _in_place(child)


# --- values without an end -----------------------------------------------------------------------


def _check_finite(document: Json, targets: dict[str, _Place], path: str) -> None:
    """Refuse a schema whose every value would have to hold itself.

    The least fixed point: a reference has a finite value once all that its value must hold has.
    """
    finite: set[str] = set()
    users: dict[str, set[str]] = {ref: set() for ref in targets}
    for ref, place in targets.items():
        for used in _needed(place.schema):
            if used in users:
                users[used].add(ref)
    waiting = list(targets)
    while waiting:
        ref = waiting.pop()
        if ref not in finite and _ends(targets[ref].schema, finite):
            finite.add(ref)
            waiting += users[ref]
    if not _ends(document, finite):
        where = next((place.where for ref, place in targets.items() if ref not in finite), path)
        raise _fault(
            where, "cannot be satisfied by any finite value: what it requires contains itself"
        )


def _needed(node: Any) -> Iterator[str]:
    if not isinstance(node, dict):
        return
    if isinstance(node.get("$ref"), str):
        yield node["$ref"]
    for key, _, child in _children(node):
        if key not in DEFINITIONS:
            yield from _needed(child)


def _ends(node: Any, finite: set[str]) -> bool:
    """Whether some value of the node has an end, as far as is known of the references."""
    if not isinstance(node, dict):
        return True
    ref = node.get("$ref")
    if isinstance(ref, str) and ref not in finite:
        return False
    branches = node.get("allOf")
    if isinstance(branches, list) and not all(_ends(one, finite) for one in branches):
        return False
    for key in ("anyOf", "oneOf"):
        branches = node.get(key)
        given = branches if isinstance(branches, list) else []
        if given and not any(_ends(one, finite) for one in given):
            return False
    return _object_ends(node, finite) and _array_ends(node, finite)


def _object_ends(node: Json, finite: set[str]) -> bool:
    properties, required = node.get("properties"), node.get("required")
    if node.get("type") not in ("object", ["object"]):
        return True
    if not isinstance(properties, dict) or not isinstance(required, list):
        return True
    return all(_ends(properties.get(name), finite) for name in required if isinstance(name, str))


def _array_ends(node: Json, finite: set[str]) -> bool:
    least = node.get("minItems")
    if node.get("type") not in ("array", ["array"]) or type(least) is not int or least < 1:
        return True
    first = node.get("prefixItems")
    if isinstance(first, list) and first:
        return all(_ends(one, finite) for one in first[:least])
    return _ends(node.get("items"), finite)


def _fault(path: str, words: str) -> GatewayError:
    return GatewayError("invalid_field", f"Invalid request: {path}: {words}", param=path)
