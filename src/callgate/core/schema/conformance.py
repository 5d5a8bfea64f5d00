"""Whether a text is JSON that follows a JSON Schema: `jsonschema-rs`, of the extra `structured`.

Draft 2020-12 (https://json-schema.org/draft/2020-12/json-schema-validation) unless `$schema` names
an older one; `format` is asserted. Patterns run on an engine whose time is linear in the text, and
nothing is fetched. What is told of a violation holds no value of the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from importlib.util import find_spec
from itertools import islice
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec

from callgate.core.chat import Json
from callgate.core.fieldpath import join
from callgate.core.jsontext import parse
from callgate.core.schema.bounds import check_bounds
from callgate.errors import GatewayError

MAX_TOLD = 20
MAX_WORK = 200_000_000
"""Bytes of an answer times the subschemas that speak of one value: about a second."""
_FAR = re.compile(r"[eE][+-]?0*[1-9][0-9][0-9]|[0-9]{100}")
_DIVISION = 60_000
"""Numbers of a hundred digits and more, and what work it is to divide one: it is done exactly."""

_MANY = 16 * 1024
"""Bytes from which on only the first violation is looked for: finding all takes long."""
_PATTERN_BYTES = 1_000_000
_TOP = "the answer"
_TYPES = (
    "expected 'array', 'boolean', 'integer', 'null', 'number', 'object' or 'string', or a list of "
    "these"
)
"""In place of the metaschema's words about `type`, which say that no schema in its `anyOf` fits."""
_NO_SCHEMA = 'is not of types "boolean", "object"'
_DRAFTS: Mapping[str, str] = MappingProxyType(
    {
        "http://json-schema.org/draft-04/schema": "Draft4Validator",
        "http://json-schema.org/draft-06/schema": "Draft6Validator",
        "http://json-schema.org/draft-07/schema": "Draft7Validator",
        "https://json-schema.org/draft/2019-09/schema": "Draft201909Validator",
    }
)


class Verdict(NamedTuple):
    """What became of a text: its violations, none where it conforms. `parsed` says it is JSON."""

    violations: tuple[str, ...]
    parsed: bool = True


def installed() -> bool:
    """Whether answers can be held against schemas here. Looks without loading."""
    return find_spec("jsonschema_rs") is not None


class Checker:
    """One schema, ready to be held against texts; without one, whether they are JSON: an object
    where `objects`, else any value.

    Raises GatewayError `invalid_field` with the path in the schema of what is wrong with it,
    `unsupported_field` for a pattern that is sound but cannot be run in bounded time, and
    `checker_missing` without the extra.
    """

    __slots__ = ("_divides", "_objects", "_validator", "weight")

    def __init__(
        self, schema: Json | None, size: int = 0, path: str = "", *, objects: bool = True
    ) -> None:
        self.weight = 1
        self._objects = objects
        self._divides = False
        self._validator: Any = None
        if schema is not None:
            self.weight = check_bounds(schema, size, path)
            self._divides = b'"multipleOf"' in msgspec.json.encode(schema)
            self._validator = _compiled(schema, path)

    def work(self, text: str) -> int:
        """How much a check of this text costs; beyond `MAX_WORK` it is not made."""
        work = len(text) * self.weight
        if self._divides and work <= MAX_WORK:
            work += _DIVISION * len(_FAR.findall(text))
        return work

    def check(self, text: str) -> Verdict:
        """Whether a text conforms. Takes time in proportion to `work`."""
        if self.work(text) > MAX_WORK:
            words = "the answer is too large to be checked against the schema"
            return Verdict((words,), parsed=False)
        try:
            value = parse(text.encode("utf-8", "surrogatepass"))
        except ValueError:
            empty = not text.strip()
            words = "the answer is empty" if empty else "the answer is not JSON"
            return Verdict((words,), parsed=False)
        if self._validator is None:
            sound = isinstance(value, dict) or not self._objects
            return Verdict(() if sound else (f"{_TOP}: value is not an object",))
        if self._validator.is_valid(value):
            return Verdict(())
        return Verdict(tuple(self._violations(value, len(text))))

    def _violations(self, value: Any, size: int) -> list[str]:
        found = self._validator.iter_errors(value) if size <= _MANY else self._first(value)
        return [f"{_path(error.instance_path)}: {error.message}"[:500]
                for error in islice(found, MAX_TOLD)]  # fmt: skip

    def _first(self, value: Any) -> list[Any]:
        import jsonschema_rs

        try:
            self._validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            return [error]
        return []


def _compiled(schema: Json, path: str) -> Any:
    try:
        import jsonschema_rs
    except ImportError:
        raise GatewayError(
            "checker_missing",
            "Answers cannot be checked against a JSON Schema here: the extra 'structured' is not "
            "installed in this gateway",
            param=path or None,
        ) from None
    given = schema.get("$schema")
    draft = _DRAFTS.get(given.rstrip("#"), "") if isinstance(given, str) else ""
    build = partial(
        getattr(jsonschema_rs, draft or "Draft202012Validator"),
        {key: value for key, value in schema.items() if key not in ("$schema", "$id", "id")},
        validate_formats=True,
        offline=True,
        mask="value",
    )
    linear = jsonschema_rs.RegexOptions(size_limit=_PATTERN_BYTES, dfa_size_limit=_PATTERN_BYTES)
    try:
        return build(pattern_options=linear)
    except (jsonschema_rs.ValidationError, jsonschema_rs.ReferencingError, ValueError) as error:
        steps = getattr(error, "instance_path", [])
        where = _path(steps, path)
        words = str(getattr(error, "message", error)).partition("\n")[0][:300]
        if steps and steps[-1] == "type" and "'anyOf'" in words:
            words = _TYPES
        elif words.endswith(_NO_SCHEMA):
            words = "expected a schema: an object, true or false"
        if steps and steps[-1] in ("pattern", "patternProperties") and _is_sound(build):
            raise GatewayError(
                "unsupported_field",
                f"Invalid request: {where}: a pattern with look-around or back references, or one "
                "that grows too large, cannot be checked in bounded time",
                param=where,
                fix="Say the pattern without `(?=`, `(?!`, `(?<`, back references and large "
                "repetitions.",
            ) from None
        raise GatewayError(
            "invalid_field",
            f"Invalid request: {where}: {words}",
            param=where,
            cause="The JSON Schema is not valid.",
        ) from None


def _is_sound(build: Any) -> bool:
    import jsonschema_rs

    try:
        build(pattern_options=jsonschema_rs.FancyRegexOptions(size_limit=_PATTERN_BYTES))
    except (jsonschema_rs.ValidationError, ValueError):
        return False
    return True


def _path(steps: Any, path: str = "") -> str:
    for step in steps:
        path = f"{path}[{step}]" if isinstance(step, int) else join(path, step)
    return path or _TOP
