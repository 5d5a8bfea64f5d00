"""Tools and schemas of a request, as Gemini takes them."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.core.models import Vendor
from callgate.providers.gemini.answer import Gathered
from callgate.providers.registry import VENDORS

from .gemini_asking import HELLO, config, gemini, refusal
from .gemini_types import sent


def tooled(body: dict[str, Any], **function: Any) -> dict[str, Any]:
    tool = {"type": "function", "function": {"name": "f", **function}}
    return sent({"messages": HELLO, "tools": [tool], **body}, gemini())


def test_a_tool_is_declared_with_its_json_schema() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"at": {"$ref": "#/$defs/At"}, "n": {"type": ["integer", "null"]}},
        "required": ["at"],
        "additionalProperties": False,
        "$defs": {"At": {"enum": ["x", "y"], "title": "At"}},
    }
    declared = tooled({}, description="D", parameters=schema)["tools"][0]["functionDeclarations"]
    assert declared == [
        {
            "name": "f",
            "description": "D",
            "parametersJsonSchema": {
                "type": "object",
                "properties": {"at": {"enum": ["x", "y"]}, "n": {"type": ["integer", "null"]}},
                "required": ["at"],
                "additionalProperties": False,
            },
        }
    ]


def test_the_other_form_is_used_where_it_alone_enforces_a_bound() -> None:
    schema = {"type": "object", "properties": {"s": {"type": "string", "maxLength": 3}}}
    declared = tooled({}, parameters=schema)["tools"][0]["functionDeclarations"][0]
    assert declared == {"name": "f", "parameters": schema}


def test_parameters_that_do_not_say_that_they_are_an_object_are_one() -> None:
    properties = {"a": {"type": "string"}}
    declared = tooled({}, parameters={"properties": properties})["tools"][0]
    schema = declared["functionDeclarations"][0]["parametersJsonSchema"]
    assert schema == {"type": "object", "properties": properties}


def test_what_neither_form_enforces_is_told_in_words_unless_it_is_strict() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "number", "multipleOf": 5}}}
    declared = tooled({}, parameters=schema)["tools"][0]["functionDeclarations"][0]
    number = declared["parametersJsonSchema"]["properties"]["n"]
    assert number == {"type": "number", "description": "Must satisfy multipleOf: 5"}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema, "strict": True}}
    assert refusal({"tools": [tool]}, gemini()) == (
        "unsupported_field",
        "tools[0].function.parameters.properties.n.multipleOf",
    )


def test_what_no_schema_of_gemini_can_say_is_refused_with_its_path() -> None:
    schema = {"type": "object", "properties": {"x": {"patternProperties": {"^a": {}}}}}
    tool = {"type": "function", "function": {"name": "f", "parameters": schema}}
    assert refusal({"tools": [tool]}, gemini()) == (
        "unsupported_field",
        "tools[0].function.parameters.properties.x.patternProperties",
    )


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, None),
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        ("any", {"mode": "ANY"}),
        (
            {"type": "function", "function": {"name": "f"}},
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
            {"mode": "ANY", "allowedFunctionNames": ["f"]},
        ),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [{"type": "function", "function": {"name": "f"}}],
                },
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_tool_choice_becomes_a_calling_mode(choice: Any, expected: Any) -> None:
    body = tooled({} if choice is None else {"tool_choice": choice})
    config = body.get("toolConfig", {}).get("functionCallingConfig")
    assert config == expected


def test_a_strict_tool_has_its_schema_enforced() -> None:
    body = tooled({}, strict=True, parameters={"type": "object", "properties": {}})
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_an_answer_in_the_form_of_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    told = {"name": "A", "schema": schema, "strict": True, "description": "A form"}
    assert config({"response_format": {"type": "json_schema", "json_schema": told}}) == {
        "maxOutputTokens": 1000,
        "responseMimeType": "application/json",
        "responseJsonSchema": {**schema, "description": "A form"},
    }


def test_a_schema_of_the_answer_that_cannot_be_enforced_is_refused_by_its_path() -> None:
    schema = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
    form = {"type": "json_schema", "json_schema": {"name": "A", "schema": schema}}
    assert refusal({"response_format": form}, gemini()) == (
        "unsupported_field",
        "response_format.json_schema.schema.properties.a.not",
    )


def test_gemini_and_vertex_have_dialects_and_keys_of_their_own() -> None:
    rows: list[Vendor] = [VENDORS["gemini"], VENDORS["vertex"]]
    assert [(row.dialect, row.auth) for row in rows] == [
        ("gemini", "x-goog-api-key"),
        ("vertex", "google"),
    ]


@pytest.mark.parametrize(
    ("name", "told"),
    [("7zip", "_7zip"), ("_7zip", "__7zip"), ("__7", "___7"), ("_f", "_f"), ("f7", "f7")],
)
def test_names_that_begin_with_a_digit_are_told_by_another_and_come_back(
    name: str, told: str
) -> None:
    tool = {"type": "function", "function": {"name": name}}
    call = {"id": "a", "type": "function", "function": {"name": name, "arguments": "{}"}}
    body = sent(
        {
            "messages": [
                *HELLO,
                {"role": "assistant", "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "a", "content": "1"},
                {"role": "tool", "tool_call_id": "?", "name": name, "content": "2"},
            ],
            "tools": [tool],
            "tool_choice": tool,
        },
        gemini(),
    )
    assert body["tools"][0]["functionDeclarations"][0]["name"] == told
    assert body["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == [told]
    assert body["contents"][1]["parts"][0]["functionCall"]["name"] == told
    results = body["contents"][2]["parts"]
    assert [one["functionResponse"]["name"] for one in results] == [told, told]
    made = Gathered("x").take([{"functionCall": {"name": told, "args": {}}}])
    assert made["tool_calls"][0]["function"]["name"] == name
