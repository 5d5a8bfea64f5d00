"""What it costs to adapt a schema of a caller who means harm. All others wait meanwhile."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from callgate.core.schema.adapt import adapt
from callgate.core.schema.pointer import pointed
from callgate.core.schema.rules import RULES
from callgate.errors import GatewayError

PATH = "tools[0].function.parameters"
RESOLVING = ["gemini", "gemini-openapi", "nova"]


def obj(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize("target", RESOLVING)
@pytest.mark.parametrize(
    "big",
    [
        {"type": "string", "description": "x" * 9000},
        {"type": "string", "enum": ["word"] * 2000},
        obj(**{"x" * 9000: {"type": "string"}}),
    ],
)
def test_what_references_stand_for_does_not_multiply(target: Any, big: Any) -> None:
    many = {f"p{n}": {"$ref": "#/$defs/big"} for n in range(200)}
    with pytest.raises(GatewayError, match="once they are written out") as refused:
        adapt({**obj(**many), "$defs": {"big": big}}, target, PATH)
    assert refused.value.kind.type == "unsupported_field"
    few = {f"p{n}": {"$ref": "#/$defs/big"} for n in range(3)}
    adapt({**obj(**few), "$defs": {"big": big}}, target, PATH)


def test_a_type_told_twice_is_one() -> None:
    many = obj(x={"type": ["string", "integer", "null"] * 1000, "pattern": "x" * 9000})
    assert len(json.dumps(adapt(many, "gemini-openapi", PATH))) < 20_000


@pytest.mark.parametrize("target", RESOLVING)
def test_time_to_merge_is_in_proportion(target: Any) -> None:
    words = [f"w{n}" for n in range(30_000)]
    begun = time.process_time()
    for branches in (
        [{"required": words}, {"required": words[::-1]}],
        [{"required": words}, *({"required": ["x"]} for _ in range(2000))],
        [{"enum": words}, {"enum": ["y", *words[::-1]]}],
        [{"properties": {f"p{n}": {}}} for n in range(4000)],
        [{"properties": {"a": {"minLength": n}}} for n in range(1000)],
    ):
        with contextlib.suppress(GatewayError):
            adapt(obj(x={"type": "object", "allOf": branches}), target, PATH)
    assert time.process_time() - begun < 2


def deep(one: Any) -> Any:
    for _ in range(25):
        one = {"type": "array", "items": one}
    return one


@pytest.mark.parametrize("target", list(RULES))
@pytest.mark.parametrize(
    ("inner", "links"), [(deep, 31), (lambda one: {"allOf": [one]}, 700)], ids=["items", "allOf"]
)
def test_no_depth_through_references_brings_it_down(
    target: Any, inner: Callable[[Any], Any], links: int
) -> None:
    defs = {f"d{n}": inner({"$ref": f"#/$defs/d{n + 1}"}) for n in range(links)}
    bomb = {**obj(x={"$ref": "#/$defs/d0"}), "$defs": {**defs, f"d{links}": {}}}
    with contextlib.suppress(GatewayError):
        adapt(bomb, target, PATH)


def test_many_say_more_of_the_same_property() -> None:
    branches = [{"properties": {"a": {"type": "string", "maxLength": 900 - n}}} for n in range(500)]
    made = adapt(obj(x={"type": "object", "allOf": branches}), "gemini-openapi", PATH, strict=False)
    assert made["properties"]["x"]["properties"]["a"]["maxLength"] == 401


DOCUMENT = {"a/b~": 1, "": 2, "list": [3, {"0": 4}], "~": 5}


@pytest.mark.parametrize(
    ("ref", "value"),
    [("#/a~1b~0", 1), ("#/", 2), ("#/list/0", 3), ("#/list/1/0", 4), ("#/~0", 5), ("#", DOCUMENT)],
)
def test_a_reference_leads_where_its_pointer_says(ref: str, value: Any) -> None:
    assert pointed(DOCUMENT, ref) == value


@pytest.mark.parametrize(
    "ref", ["#/~", "#/a~1b~", "#/list/00", "#/list/\u0660", "#/list/-", "#/list/2", "#/x", "#/a/b"]
)
def test_a_place_has_one_spelling(ref: str) -> None:
    with pytest.raises(LookupError):
        pointed(DOCUMENT, ref)
