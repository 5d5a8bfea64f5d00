"""What schemas mean once they are adapted, by an independent judge."""

from __future__ import annotations

import copy
import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from callgate.core.schema.adapt import adapt
from callgate.core.schema.rules import RULES
from callgate.errors import GatewayError

PATH = "tools[0].function.parameters"

SCALARS = st.sampled_from(["a", "bb", "ccc", 0, 1, 2, 3, 2.5, True, None])
LEAF = st.one_of(
    st.builds(lambda value: {"const": value}, st.sampled_from(["a", "bb", 1, 2])),
    st.builds(lambda values: {"enum": values}, st.lists(st.sampled_from(["a", "bb", None]),
                                                       min_size=1, max_size=3, unique=True)),
    st.builds(
        lambda kind, low, high: {"type": kind, "exclusiveMinimum": low, "maximum": high},
        st.just("integer"), st.integers(0, 2), st.integers(0, 3),
    ),
    st.sampled_from([
        {"type": "string"}, {"type": ["string", "null"]}, {"type": ["integer", "string"]},
        {"type": "number", "minimum": 1}, {"type": "integer", "exclusiveMaximum": 3},
        {"$ref": "#/$defs/leaf"}, {"allOf": [{"$ref": "#/$defs/leaf"}], "description": "d"},
        {"allOf": [{"type": "number"}, {"type": "integer", "minimum": 1}]}, {"type": "null"},
        {"type": "string", "title": "t", "$comment": "c", "examples": ["q"]},
    ]),
)  # fmt: skip
SCHEMAS = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        st.builds(lambda one: {"type": "array", "items": one, "maxItems": 2}, inner),
        st.builds(
            lambda one, two: {
                "type": "object",
                "properties": {"p": one, "q": two},
                "required": ["p"],
            },
            inner,
            inner,
        ),
        st.builds(lambda one, two: {"anyOf": [one, two]}, inner, inner),
    ),
    max_leaves=5,
)
INSTANCES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["p", "q"]), inner, max_size=2)
    ),
    max_leaves=6,
)


def plain(node: Any) -> Any:
    """OpenAPI's `nullable` in JSON Schema's words, so that the judge can read it."""
    if isinstance(node, list):
        return [plain(one) for one in node]
    if not isinstance(node, dict):
        return node
    out = {key: plain(value) for key, value in node.items() if key != "nullable"}
    return {"anyOf": [out, {"type": "null"}]} if node.get("nullable") is True else out


# To make up a schema takes longer than to adapt it: each is given to all that it may be meant for.


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(schema=SCHEMAS, instances=st.lists(INSTANCES, min_size=4, max_size=8))
def test_what_is_adapted_strictly_means_the_same(schema: Any, instances: list[Any]) -> None:
    leaf = {"type": "integer", "exclusiveMinimum": 0}
    document = {"type": "object", "properties": {"x": schema}, "$defs": {"leaf": leaf}}
    before = Draft202012Validator(document)
    values = [{"x": instance} for instance in instances]
    sound = [before.is_valid(value) for value in values]
    targets: tuple[Any, ...] = ("gemini", "gemini-openapi", "nova")
    for target in targets:
        try:
            adapted = adapt(document, target, PATH, strict=target != "nova")
        except GatewayError as error:
            assert error.kind.type == "unsupported_field"  # noqa: PT017
            assert (error.param or "").startswith(PATH)  # noqa: PT017
            continue
        after = Draft202012Validator(plain(adapted))
        assert [after.is_valid(value) for value in values] == sound, (target, json.dumps(adapted))


KEYS = (
    "type", "properties", "items", "anyOf", "allOf", "oneOf", "$ref", "$defs", "enum", "const",
    "required", "additionalProperties", "nullable", "exclusiveMinimum", "minimum", "prefixItems",
    "format", "description", "additionalItems", "maxItems", "propertyNames",
)  # fmt: skip
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False)
    | st.sampled_from(["string", "integer", "object", "array", "null", "#", "#/$defs/a", ""]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.sampled_from(KEYS) | st.just("a"), inner, max_size=4),
    max_leaves=14,
)  # fmt: skip


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(schema=ANYTHING, strict=st.booleans())
def test_nothing_that_is_given_brings_it_down(schema: Any, strict: bool) -> None:
    before = copy.deepcopy(schema)
    for target in RULES:
        try:
            made = adapt(schema, target, PATH, strict=strict)
        except GatewayError as error:
            assert error.kind.type in ("unsupported_field", "invalid_field"), target  # noqa: PT017
            assert error.param, target  # noqa: PT017
        else:
            assert isinstance(made, dict), target
            json.dumps(made)
        assert schema == before, target
