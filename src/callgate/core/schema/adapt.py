"""JSON Schema as a target takes it: rewritten where the meaning is kept, refused where it is not.

The differences are tables in `core.schema.rules`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from callgate.core.chat import Json
from callgate.core.fieldpath import join
from callgate.core.schema.merge import Refs, Resolver, check_acyclic, malformed, refused
from callgate.core.schema.rules import (
    CONDITIONS,
    DEFINITIONS,
    LISTS,
    MAPS,
    MAX_COPIED,
    MAX_DEPTH,
    MAX_NODES,
    RULES,
    SHAPES,
    SINGLES,
    VALUES,
    Rules,
    Target,
)
from callgate.core.schema.steps import STEPS

_COMPOSED = ("anyOf", "oneOf", "allOf")


def adapt(
    schema: object, target: Target, path: str = "", *, strict: bool = False, checked: bool = False
) -> Json:
    """The schema in the words that the target takes; `schema` itself is left as it is.

    A bound of a value (`multipleOf`, `pattern`, …) that the target cannot enforce is told in the
    description, where the model reads it, unless `strict` asks that everything be enforced.
    `checked` says that the answer is held against the whole schema later, so that conditions too
    (`not`, `if`, …) may be told in words. `path` is where the schema stands in the request.
    Raises GatewayError `unsupported_field` with the path of what the target cannot honour,
    `invalid_field` for what is no schema.
    """
    if not isinstance(schema, dict):
        raise malformed(path, "an object")
    rules = RULES[target]
    node = schema
    if rules.keeps is not None or rules.resolves or rules.rewrites:
        walk = _Walk(schema, rules, strict=strict, checked=checked)
        node = walk.node(schema, path, 0, frozenset({"#"}))
    if rules.acyclic:
        check_acyclic(schema, path)
    return _outermost(node, rules, path, strict=strict)


class _Walk:
    """One walk over one schema."""

    __slots__ = ("_checked", "_copied", "_nodes", "_resolver", "_rules", "_strict")

    def __init__(self, document: Json, rules: Rules, *, strict: bool, checked: bool) -> None:
        self._rules = rules
        self._strict = strict
        self._checked = checked
        self._nodes = self._copied = 0
        self._resolver = Resolver(document, self._count)

    def node(self, schema: Any, path: str, depth: int, above: Refs) -> Json:
        """One node and all below it; `above` are the references that led here."""
        schema, above = self._plain(schema, path, depth, above)
        rules = self._rules
        node: Json = dict(schema)
        told: Json = {}
        for name in rules.rewrites:
            told.update(STEPS[name](node) or {})
        out: Json = {}
        for key, value in node.items():
            if key in DEFINITIONS and rules.resolves:
                continue
            if rules.keeps is None or (key in rules.keeps and self._takes(key, value)):
                out[key] = self._inner(key, value, join(path, key), depth + 1, above)
            elif key in VALUES or (self._checked and key in CONDITIONS):
                told[key] = value
            elif key in SHAPES:
                raise refused(join(path, key), key, f"Leave out `{key}` or say it otherwise.")
        if told:
            self._tell(out, told, path)
        if len(above) > 1:
            self._count_copied(out, path)
        if rules.typed and "type" not in out and "anyOf" not in out:
            raise refused(path, "a schema without a type", "State the type.")
        if rules.closed:
            _check_closed(out, path, complete=rules.complete)
        return out

    def _plain(self, schema: Any, path: str, depth: int, above: Refs) -> tuple[Json, Refs]:
        if schema is True:
            schema = {}
        if schema is False:
            raise refused(path, "a schema that no value satisfies", "Leave it out.")
        if not isinstance(schema, dict):
            raise malformed(path, "an object")
        if depth > MAX_DEPTH:
            raise refused(path, f"more than {MAX_DEPTH} levels", "Make the schema flatter.")
        if self._rules.resolves:
            return self._resolver.resolve(schema, path, above)
        self._count(path)
        return schema, above

    def _inner(self, key: str, value: Any, path: str, depth: int, above: Refs) -> Any:
        if key in MAPS:
            if not isinstance(value, dict):
                raise malformed(path, "an object")
            return {
                name: self.node(one, join(path, name), depth, above) for name, one in value.items()
            }
        if key in LISTS:
            if not isinstance(value, list) or not value:
                raise malformed(path, "an array of schemas")
            return [self.node(one, f"{path}[{at}]", depth, above) for at, one in enumerate(value)]
        if key in SINGLES and not isinstance(value, bool):
            return self.node(value, path, depth, above)
        return value

    def _takes(self, key: str, value: Any) -> bool:
        rules = self._rules
        if key == "format":
            return rules.formats is None or (isinstance(value, str) and value in rules.formats)
        if key == "enum" and rules.enums is not None:
            return isinstance(value, list) and all(type(one) in rules.enums for one in value)
        return True

    def _tell(self, out: Json, told: Json, path: str) -> None:
        if self._strict:
            key = next(iter(told))
            raise refused(join(path, key), f"{key} is not enforced", f"Leave out `{key}`.")
        words = "; ".join(f"{key}: {msgspec.json.encode(told[key]).decode()}" for key in told)
        given = out.get("description")
        said = f"{given}\n" if isinstance(given, str) and given else ""
        out["description"] = f"{said}Must satisfy {words}"

    def _count_copied(self, node: Json, path: str) -> None:
        """Count what stands here only because a reference is written out; it may be long."""
        for key, value in node.items():
            if isinstance(value, str):
                self._copied += len(value)
            elif key in MAPS and isinstance(value, dict):
                self._copied += sum(map(len, value))
            elif key not in LISTS and key not in SINGLES:
                self._copied += len(msgspec.json.encode(value))
        if self._copied > MAX_COPIED:
            words = f"references to more than {MAX_COPIED} bytes once they are written out"
            raise refused(path, words, "Make the referenced schemas smaller.")

    def _count(self, path: str) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise refused(path, f"more than {MAX_NODES} subschemas", "Make the schema smaller.")


def _check_closed(node: Json, path: str, *, complete: bool) -> None:
    kind, declared = node.get("type"), node.get("properties")
    objects = kind == "object" or (isinstance(kind, list) and "object" in kind)
    if not objects and declared is None:
        return
    if node.get("additionalProperties") is not False:
        raise refused(path, "an object with undeclared properties", "Declare them.")
    required = node.get("required") or []
    if not isinstance(required, list):
        raise malformed(join(path, "required"), "an array")
    if complete and set(declared or ()).difference(filter(_is_text, required)):
        raise refused(path, "a property that is not required", "Require all properties.")


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _outermost(node: Json, rules: Rules, path: str, *, strict: bool) -> Json:
    if rules.bare_root:
        for key in _COMPOSED:
            if key in node:
                where = join(path, key)
                raise refused(where, f"{key} at the top", "Put it into a property.")
    if rules.object_root:
        if node.get("type", "object") not in ("object", ["object"]):
            raise refused(
                join(path, "type"), "a top level that is not an object", "Wrap it in an object."
            )
        if node.get("type") != "object":
            node = {**node, "type": "object"}
    if rules.root is not None:
        for key in node:
            bare = key not in (SHAPES | VALUES) or key in DEFINITIONS or _granted(key, node[key])
            if key not in rules.root and (strict or not bare):
                raise refused(join(path, key), f"{key} at the top", "Put it into a property.")
        node = {key: value for key, value in node.items() if key in rules.root}
    return node


def _granted(key: str, value: object) -> bool:
    """Whether the keyword says only that properties are as declared."""
    return key == "additionalProperties" and isinstance(value, bool)
