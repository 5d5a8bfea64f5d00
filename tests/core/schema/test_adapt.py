"""JSON Schema in the words of each target."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from google.genai import types

from callgate.core.schema.adapt import adapt
from callgate.core.schema.merge import merged
from callgate.core.schema.rules import MAX_NODES, RULES
from callgate.core.schema.steps import STEPS
from callgate.errors import GatewayError

PATH = "tools[0].function.parameters"


def of(inner: Any, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": inner}, **more}


def refusal(schema: Any, target: Any, *, strict: bool = False) -> tuple[str, str | None]:
    with pytest.raises(GatewayError) as caught:
        adapt(schema, target, PATH, strict=strict)
    return caught.value.kind.type, caught.value.param


def test_every_rewriting_of_a_row_exists() -> None:
    for rules in RULES.values():
        assert set(rules.rewrites) <= set(STEPS)


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"type": "string", "$comment": "c", "examples": ["a"], "x-y": 1}, {"type": "string"}),
        ({"type": "string", "description": "d", "default": "a"}, None),
        ({"const": "a"}, {"enum": ["a"], "type": "string"}),
        ({"const": 3}, {"enum": [3], "type": "integer"}),
        ({"const": None}, {"type": "null"}),
        ({"enum": [None]}, {"type": "null"}),
        ({"type": ["string", "null"]}, None),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": ["string", "null"], "enum": ["a", None]},
            {"anyOf": [{"type": "string", "enum": ["a"]}, {"type": "null"}]},
        ),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        (
            {"type": "integer", "exclusiveMaximum": 5, "maximum": 9, "minimum": 1},
            {"type": "integer", "maximum": 4, "minimum": 1},
        ),
        (
            {"type": "integer", "minimum": 2, "exclusiveMinimum": True},
            {"type": "integer", "minimum": 3},
        ),
        (
            {"type": "number", "exclusiveMinimum": 0},
            {
                "type": "number",
                "minimum": 0,
                "description": "Must satisfy exclusiveMinimum: 0",
            },
        ),
        (
            {"type": "string", "minLength": 2, "description": "A code."},
            {"type": "string", "description": "A code.\nMust satisfy minLength: 2"},
        ),
        ({"oneOf": [{"type": "string"}, {"type": "integer"}]}, None),
        ({"type": "array", "prefixItems": [{"type": "string"}], "items": {"type": "null"}}, None),
        (
            {"type": "array", "items": [{"type": "string"}], "additionalItems": False},
            {"type": "array", "prefixItems": [{"type": "string"}], "maxItems": 1},
        ),
        ({"type": "object", "additionalProperties": True}, {"type": "object"}),
        ({"type": "object", "additionalProperties": {"type": "string"}}, None),
        (
            {"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {}},
            {"type": "object"},
        ),
        (
            {"allOf": [{"type": "integer", "minimum": 1}, {"maximum": 3, "minimum": 2}]},
            {"type": "integer", "minimum": 2, "maximum": 3},
        ),
        (
            {"allOf": [of({"type": "string"}), of({"enum": ["a"]}, required=["x"])]},
            of({"type": "string", "enum": ["a"]}, required=["x"]),
        ),
        (True, {}),
        ({"type": "string", "format": "uri"}, None),
        ({"type": "object", "required": ["q"]}, {"type": "object", "required": ["q"],
                                                 "properties": {"q": {}}}),
    ],
)  # fmt: skip
def test_schemas_become_what_gemini_takes_as_json_schema(given: Any, made: Any) -> None:
    before = copy.deepcopy(given)
    assert adapt(of(given), "gemini", PATH) == of(given if made is None else made)
    assert given == before, "what was given is left as it is"


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"type": "string", "pattern": "^a", "minLength": 1}, None),
        ({"type": ["string", "null"]}, {"type": "string", "nullable": True}),
        (
            {"type": ["string", "integer"], "minLength": 1, "minimum": 2},
            {"anyOf": [{"type": "string", "minLength": 1}, {"type": "integer", "minimum": 2}]},
        ),
        (
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            {"type": "string", "nullable": True},
        ),
        (
            {"oneOf": [{"type": "string"}, {"type": "integer"}]},
            {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        ),
        ({"const": "a"}, {"enum": ["a"], "type": "string"}),
        ({"enum": ["a", None]}, {"enum": ["a"], "type": "string", "nullable": True}),
        (
            {"enum": [1, 2]},
            {"type": "integer", "description": "Must satisfy enum: [1,2]"},
        ),
        (
            {"type": "string", "format": "uri"},
            {"type": "string", "description": 'Must satisfy format: "uri"'},
        ),
        ({"type": "string", "format": "date-time"}, None),
        (
            of({"type": "string"}, additionalProperties=False),
            of({"type": "string"}),
        ),
        ({"properties": {"a": {"items": {"type": "string"}}}},
         {"properties": {"a": {"items": {"type": "string"}, "type": "array"}}, "type": "object"}),
    ],
)  # fmt: skip
def test_schemas_become_what_gemini_takes_as_openapi(given: Any, made: Any) -> None:
    adapted = adapt(of(given), "gemini-openapi", PATH)
    assert adapted == of(given if made is None else made)
    types.Schema.model_validate(adapted)


def test_references_are_written_out() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"$ref": "#/$defs/Pair", "description": "here"},
            "b": {"$ref": "#/$defs/Pair"},
            "c": {"$ref": "#/$defs/a~1b"},
        },
        "$defs": {
            "Pair": {
                "type": "array",
                "items": {"$ref": "#/definitions/Leaf"},
                "description": "d",
            },
            "a/b": {"allOf": [{"$ref": "#/definitions/Leaf"}, {"$ref": "#/definitions/Leaf"}]},
        },
        "definitions": {"Leaf": {"type": "integer"}},
    }
    pair = {"type": "array", "items": {"type": "integer"}}
    assert adapt(schema, "gemini", PATH) == {
        "type": "object",
        "properties": {
            "a": {**pair, "description": "here"},
            "b": {**pair, "description": "d"},
            "c": {"type": "integer"},
        },
    }


@pytest.mark.parametrize(
    ("one", "other", "made"),
    [
        ({"enum": [1, 2, True]}, {"enum": [True, 2.0]}, {"enum": [2, True]}),
        ({"enum": [[0], {"a": 1}]}, {"enum": [[False], {"a": 1.0}]}, {"enum": [{"a": 1}]}),
        ({"enum": [1]}, {"enum": [True]}, None),
        ({"const": 1}, {"const": 1.0}, {"const": 1.0}),
        ({"const": 1}, {"const": True}, None),
        ({"const": [False]}, {"const": [0]}, None),
    ],
)
def test_values_that_both_branches_allow_are_compared_as_json_compares_them(
    one: Any, other: Any, made: Any
) -> None:
    if made is None:
        with pytest.raises(GatewayError) as refused:
            merged(one, other, PATH)
        assert refused.value.kind.type == "unsupported_field"
    else:
        assert json.dumps(merged(one, other, PATH)) == json.dumps(made), "Python has True == 1"


X = f"{PATH}.properties.x"


@pytest.mark.parametrize(
    ("inner", "path"),
    [
        ({"type": "object", "patternProperties": {"^a": {}}}, f"{X}.patternProperties"),
        ({"not": {"type": "string"}}, f"{X}.not"),
        ({"if": {"type": "string"}}, f"{X}.if"),
        ({"dependentRequired": {"a": ["b"]}}, f"{X}.dependentRequired"),
        ({"type": "array", "contains": {"type": "string"}}, f"{X}.contains"),
        ({"$dynamicRef": "#x"}, f"{X}.$dynamicRef"),
        ({"$ref": "https://x.example/y"}, f"{X}.$ref"),
        ({"$ref": "#/properties/x"}, f"{X}.$ref"),
        ({"items": {"$ref": "#"}}, f"{X}.items.$ref"),
        ({"allOf": [{"$ref": "#/properties/x"}]}, f"{X}.allOf[0].allOf[0].$ref"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, f"{X}.allOf.type"),
        ({"allOf": [{"anyOf": [{}]}, {"anyOf": [{"type": "null"}]}]}, f"{X}.allOf.anyOf"),
        (
            {"allOf": [of({}, additionalProperties=False), {"properties": {"y": {}}}]},
            f"{X}.allOf",
        ),
        (False, X),
        ({"properties": {"a.b": {"not": {}}}}, f'{X}.properties."a.b".not'),
    ],
)
def test_what_gemini_cannot_say_is_refused_by_its_path(inner: Any, path: str) -> None:
    assert refusal(of(inner), "gemini") == ("unsupported_field", path)


@pytest.mark.parametrize(
    ("inner", "path"),
    [
        ({"$ref": "#/$defs/none"}, f"{X}.$ref"),
        ({"properties": []}, f"{X}.properties"),
        ({"anyOf": {}}, f"{X}.anyOf"),
        ({"allOf": 3}, f"{X}.allOf"),
        ({"allOf": [3]}, f"{X}.allOf[0]"),
        ({"anyOf": [3]}, f"{X}.anyOf[0]"),
        ({"items": "x"}, f"{X}.items"),
        (3, X),
    ],
)
def test_what_is_no_schema_is_said(inner: Any, path: str) -> None:
    assert refusal(of(inner), "gemini") == ("invalid_field", path)
    assert refusal("x", "gemini") == ("invalid_field", PATH)
    unlisted = {"type": "object", "required": 3, "additionalProperties": False}
    assert refusal(of(unlisted), "openai-format") == ("invalid_field", f"{X}.required")


@pytest.mark.parametrize(
    "keyword", [{"multipleOf": 5}, {"pattern": "a"}, {"uniqueItems": True}, {"minLength": 1}]
)
def test_strict_refuses_what_would_only_be_told_in_words(keyword: dict[str, Any]) -> None:
    name = next(iter(keyword))
    assert refusal(of(keyword), "gemini", strict=True) == ("unsupported_field", f"{X}.{name}")
    assert name in adapt(of(keyword), "gemini", PATH)["properties"]["x"]["description"]


def test_openapi_wants_a_type_everywhere() -> None:
    assert refusal(of({"description": "anything"}), "gemini-openapi") == ("unsupported_field", X)


def test_a_schema_may_not_grow_without_bound() -> None:
    doubling = {f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(30)}
    bomb = {"$ref": "#/$defs/d0", "$defs": {**doubling, "d30": {"type": "string"}}}
    assert refusal(bomb, "gemini")[0] == "unsupported_field"
    wide = of({"anyOf": [{"type": "string"}] * (MAX_NODES + 1)})
    assert refusal(wide, "gemini")[0] == "unsupported_field"
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(200):
        deep = {"type": "array", "items": deep}
    assert refusal(deep, "gemini")[0] == "unsupported_field"


@pytest.mark.parametrize("target", ["anthropic", "bedrock"])
def test_claude_and_bedrock_take_json_schema_as_it_is(target: Any) -> None:
    schema = of(
        {"patternProperties": {"a": {}}, "not": {"$ref": "#/$defs/d"}}, **{"$defs": {"d": {}}}
    )
    assert adapt(schema, target, PATH) is schema
    assert adapt({"properties": {}}, target, PATH) == {"type": "object", "properties": {}}
    assert refusal({"type": "string"}, target) == ("unsupported_field", f"{PATH}.type")


@pytest.mark.parametrize("keyword", ["anyOf", "oneOf", "allOf"])
def test_an_outermost_composition_is_refused_where_the_vendor_refuses_it(keyword: str) -> None:
    schema = {keyword: [{"type": "object"}]}
    assert adapt(schema, "bedrock", PATH) == {**schema, "type": "object"}
    assert refusal(schema, "anthropic") == ("unsupported_field", f"{PATH}.{keyword}")
    if keyword != "allOf":
        assert refusal(schema, "nova") == ("unsupported_field", f"{PATH}.{keyword}")


def test_nova_s_outermost_node_is_bare() -> None:
    schema = {
        "$schema": "s",
        "title": "T",
        "description": "d",
        "type": "object",
        "properties": {"x": {"$ref": "#/$defs/d"}},
        "required": ["x"],
        "additionalProperties": False,
        "$defs": {"d": {"type": "string", "pattern": "a", "title": "kept"}},
    }
    assert adapt(schema, "nova", PATH) == {
        "type": "object",
        "properties": {"x": {"type": "string", "pattern": "a", "title": "kept"}},
        "required": ["x"],
    }
    assert refusal({**schema, "minProperties": 1}, "nova") == (
        "unsupported_field",
        f"{PATH}.minProperties",
    )
