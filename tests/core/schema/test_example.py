"""Examples of what a schema asks for."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from callgate.core.schema.example import example_of
from fifty import CASES, Case

_CHECKER = jsonschema.Draft202012Validator.FORMAT_CHECKER


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_example_conforms_to_its_schema(case: Case) -> None:
    if case.name == "pattern":
        return  # of which an example shows the place alone
    checker = jsonschema.Draft202012Validator(case.schema, format_checker=_CHECKER)
    checker.validate(example_of(case.schema))


@pytest.mark.parametrize(
    ("schema", "example"),
    [
        ({}, "text"),
        ({"type": "object"}, {"name1": "text"}),
        ({"type": "string", "examples": ["Ada"]}, "Ada"),
        ({"type": "string", "minLength": 6}, "textxx"),
        ({"type": "string", "minLength": 6.0}, "textxx"),
        ({"type": "string", "maxLength": 3.0}, "tex"),
        ({"type": "number", "exclusiveMinimum": 2}, 3),
        ({"type": "array", "minItems": 900, "items": {"type": "null"}}, [None] * 3),
        ({"items": {"enum": [7]}}, [7]),
        ({"$ref": "#/$defs/nowhere"}, None),
        ({"required": ["a"], "properties": {"b": {"$ref": "#/x"}}}, {"a": "text"}),
        ({"required": ["b"], "properties": {"b": {"$ref": "#/x"}}}, None),
        ({"anyOf": [False, {"type": "integer", "maximum": -5}]}, -5),
    ],
)  # fmt: skip
def test_examples_are_the_smallest_that_show_the_form(schema: Any, example: Any) -> None:
    assert example_of(schema) == example


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "number", "minimum": 1e308, "multipleOf": 1e-300},
        {"type": "integer", "exclusiveMinimum": 1e308, "multipleOf": 1e308},
        {"type": "number", "minimum": 10**400},
    ],
)
def test_numbers_at_the_ends_of_their_range_have_none(schema: Any) -> None:
    assert example_of(schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": 5},
        {"type": "object", "required": [None]},
        {"type": "object", "minProperties": "many"},
        {"type": "array", "maxItems": {}},
        {"type": "number", "maximum": "high"},
        {"type": "string", "minLength": [1]},
        {"allOf": True},
    ],
)
def test_what_is_no_schema_has_none(schema: Any) -> None:
    """It comes here where schemas cannot be checked."""
    assert example_of(schema) is None


def test_a_schema_of_thousands_of_parts_has_none() -> None:
    wide = {"type": "object", "properties": {f"p{n}": {"type": "null"} for n in range(900)}}
    assert len(example_of(wide)) < 200
    assert example_of({**wide, "required": list(wide["properties"])}) is None
