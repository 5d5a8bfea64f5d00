"""Requests of Chat Completions as requests of OpenAI's Responses API."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.accumulator import Accumulator
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from responseitems import answer, call, events_of, message, thought

from .odd_requests import DETAILS, FIELDS, PARTS
from .responses_wire import DIALECT, HELLO, TARGET, WEATHER, decoded, sent, streamed

CLOCK = {"type": "function", "function": {"name": "clock", "description": "Tells the time"}}
CUSTOM = {"type": "custom", "custom": {"name": "c"}}
MARK = {"type": "ephemeral"}
SUMMED = {"effort": "low", "summary": "auto"}
PLACE = "messages[0].content[0]."
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
CALL = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"x":1}'}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}}
FILE = {
    "type": "file",
    "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"},
}


def said(**turn: Any) -> dict[str, Any]:
    return {"messages": [*HELLO, {"role": "assistant", "content": "Hm", **turn}]}


def asked(*parts: dict[str, Any], role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(parts)}]}


def refused(body: dict[str, Any]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        sent(**body)
    assert caught.value.kind.type in ("unsupported_field", "invalid_field")
    return caught.value


def test_nothing_is_kept_at_openai_and_the_limit_is_the_contracts() -> None:
    assert sent() == {
        "model": "gpt-6-sol",
        "input": [{"type": "message", "role": "user", "content": "Hello"}],
        "max_output_tokens": 1000,
        "store": False,
    }


def test_parameters_have_their_places() -> None:
    same = {
        "temperature": 0.3, "top_p": 0.8, "metadata": {"a": "b"}, "user": "u",
        "safety_identifier": "s", "service_tier": "flex", "prompt_cache_key": "k",
        "prompt_cache_retention": "24h", "store": True, "stream": True,
        "prompt_cache_options": {"ttl": "30m"},
    }  # fmt: skip
    told = sent(
        **same,
        max_completion_tokens=99,
        reasoning_effort="high",
        verbosity="low",
        stream_options={"include_usage": True, "include_obfuscation": False},
        n=1,
        logprobs=False,
        stop=[],
    )
    assert told == {
        **same,
        "model": "gpt-6-sol",
        "input": [{"type": "message", "role": "user", "content": "Hello"}],
        "max_output_tokens": 99,
        "reasoning": {"effort": "high"},
        "include": ["reasoning.encrypted_content"],
        "text": {"verbosity": "low"},
        "stream_options": {"include_obfuscation": False},
    }


@pytest.mark.parametrize(
    ("body", "reasoning", "limit"),
    [
        ({"reasoning_effort": "none"}, {"effort": "none"}, 1000),
        ({"reasoning_effort": "high"}, {"effort": "high"}, 17_384),
        ({"reasoning": SUMMED}, SUMMED, 3048),
        ({"reasoning": {"enabled": False}}, {"effort": "none"}, 1000),
        ({"reasoning": {"enabled": True}}, None, 9192),
        ({"reasoning": {**SUMMED, "exclude": True}}, {"effort": "low"}, 3048),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "low"}, {"effort": "low"}, 3048),
    ],
)  # fmt: skip
def test_reasoning_is_told(body: dict[str, Any], reasoning: Any, limit: int) -> None:
    told = sent(**body)
    assert (told.get("reasoning"), told["max_output_tokens"]) == (reasoning, limit)


@pytest.mark.parametrize(
    ("parameters", "told"), [((), False), (("tools",), False), (("reasoning_effort",), True)]
)
def test_thoughts_are_asked_for_where_the_model_has_any(
    parameters: tuple[str, ...], *, told: bool
) -> None:
    target = TARGET.replace(model=replace(TARGET.model, supported_parameters=parameters))
    request = parse_chat(json.dumps({"model": "m", "messages": HELLO}).encode())
    assert ("include" in json.loads(DIALECT.encode(request, target).body)) is told


def test_functions_are_flat_and_only_strict_where_the_caller_says_so() -> None:
    strict = {"type": "function", "function": {"name": "s", "strict": True, "parameters": SCHEMA}}
    told = sent(tools=[WEATHER, CLOCK, strict], parallel_tool_calls=False)
    empty = {"type": "object", "properties": {}}
    assert told["tools"] == [
        {"type": "function", "name": "weather", "parameters": empty, "strict": False},
        {
            "type": "function", "name": "clock", "description": "Tells the time",
            "parameters": empty, "strict": False,
        },
        {"type": "function", "name": "s", "parameters": SCHEMA, "strict": True},
    ]  # fmt: skip
    assert told["parallel_tool_calls"] is False


ALLOWED = {"mode": "auto", "tools": [{"type": "function", "function": {"name": "clock"}}]}


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("auto", "auto"),
        ("none", "none"),
        ("required", "required"),
        ("any", "required"),
        (
            {"type": "function", "function": {"name": "clock"}},
            {"type": "function", "name": "clock"},
        ),
        (
            {"type": "allowed_tools", "allowed_tools": ALLOWED},
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "clock"}],
            },
        ),
    ],
)
def test_a_choice_of_tool_is_told(choice: Any, told: Any) -> None:
    assert sent(tools=[WEATHER, CLOCK], tool_choice=choice)["tool_choice"] == told


@pytest.mark.parametrize(
    ("form", "told"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
            {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": False},
        ),
        (
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "n", "schema": SCHEMA, "strict": True, "description": "d",
                },
            },
            {
                "type": "json_schema", "name": "n", "schema": SCHEMA, "strict": True,
                "description": "d",
            },
        ),
    ],
)  # fmt: skip
def test_a_form_is_told(form: dict[str, Any], told: Any) -> None:
    assert sent(response_format=form).get("text", {}).get("format") == told


def test_messages_become_items() -> None:
    told = sent(
        messages=[
            {"role": "system", "content": "Be brief."},
            {"role": "developer", "content": [{"type": "text", "text": "Be exact."}]},
            {"role": "user", "content": [{"type": "text", "text": "What?"}, IMAGE, FILE]},
            {"role": "assistant", "content": "I will look.", "tool_calls": [CALL]},
            {"role": "tool", "tool_call_id": "a", "content": "sun"},
            {"role": "assistant", "content": [{"type": "text", "text": "Sun."}]},
            {"role": "user", "content": "Why?", "name": "Ada"},
            {"role": "assistant", "content": None, "refusal": "I will not."},
            {"role": "user", "content": [{"type": "image_url", "image_url": "https://a/b"}]},
        ]
    )
    assert told["input"] == [
        {"type": "message", "role": "system", "content": "Be brief."},
        {
            "type": "message", "role": "developer",
            "content": [{"type": "input_text", "text": "Be exact."}],
        },
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "What?"},
                {
                    "type": "input_image", "image_url": "https://a.example/b.png",
                    "detail": "low",
                },
                {"type": "input_file", **FILE["file"]},
            ],
        },
        {"type": "message", "role": "assistant", "content": "I will look."},
        {
            "type": "function_call", "call_id": "a", "name": "weather",
            "arguments": '{"x":1}',
        },
        {"type": "function_call_output", "call_id": "a", "output": "sun"},
        {"type": "message", "role": "assistant", "content": "Sun."},
        {"type": "message", "role": "user", "content": "Ada: Why?"},
        {"type": "message", "role": "assistant", "content": "I will not."},
        {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_image", "image_url": "https://a/b", "detail": "auto"}],
        },
    ]  # fmt: skip


def test_a_result_may_hold_an_image() -> None:
    result = {"role": "tool", "tool_call_id": "a", "content": [IMAGE]}
    turn = {"role": "assistant", "content": None, "tool_calls": [CALL]}
    (_, _, output) = sent(messages=[*HELLO, turn, result])["input"]
    assert output["output"][0]["type"] == "input_image"


def test_ids_are_single_and_short_and_the_same_each_time() -> None:
    long = "x" * 65
    calls = [{**CALL, "id": long}, {**CALL, "id": long}]
    results = [{"role": "tool", "tool_call_id": long, "content": str(n)} for n in (1, 2)]
    turn = {"role": "assistant", "content": None, "tool_calls": calls}
    messages = [*HELLO, turn, *results, results[1]]
    told = sent(messages=messages)["input"]
    ids = [item["call_id"] for item in told if item["type"] == "function_call"]
    assert len(set(ids)) == 2
    assert all(len(one) <= 64 for one in ids)
    outputs = [item for item in told if item["type"] == "function_call_output"]
    assert [(one["call_id"], one["output"]) for one in outputs[:2]] == list(
        zip(ids, "12", strict=True)
    )
    assert sent(messages=messages)["input"] == told


def test_a_name_that_a_model_invented_is_made_to_fit() -> None:
    invented = {**CALL, "function": {"name": "$READ " + "x" * 80, "arguments": ""}}
    (_, told) = sent(**said(content=None, tool_calls=[invented]))["input"]
    assert (told["name"], told["arguments"]) == ("_READ_" + "x" * 58, "{}")


# --- answers that come back -----------------------------------------------------------------------

TURNS = [
    [thought("gAAA", "Hm."), message("Let me look.", phase="commentary"), call("c1"), call("c2")],
    [thought("gBBB"), call("c3"), thought("gCCC"), call("c4")],
    [call("c5"), message("Then.", phase="commentary"), call("c6")],
    [message("One."), thought("gDDD"), message("Two.", phase="final_answer")],
    [thought("gEEE"), message("It is sunny.", phase="final_answer")],
]


def as_sent(item: dict[str, Any]) -> dict[str, Any]:
    """The item that OpenAI gave, as it is to come back."""
    told = {name: value for name, value in item.items() if name not in ("id", "status")}
    if item["type"] == "message":
        told["content"] = "".join(part["text"] for part in item["content"])
    return told


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("turn", TURNS)
def test_an_answer_comes_back_as_it_was(turn: list[dict[str, Any]], *, stream: bool) -> None:
    if stream:
        gatherer = Accumulator()
        gatherer.take(streamed(*events_of(answer(*turn))))
        (choice,) = gatherer.answer().choices
    else:
        (choice,) = decoded(answer(*turn)).choices
    told = sent(messages=[*HELLO, json.loads(json.dumps(choice["message"]))])["input"][1:]
    if turn is TURNS[2]:  # what was said after a call is told in its place
        assert [one["type"] for one in told] == ["function_call", "message", "function_call"]
    assert told == [as_sent(item) for item in turn]


def test_anothers_thoughts_and_those_that_led_to_nothing_stay_out() -> None:
    details = [
        {"type": "reasoning", "encrypted_content": "g", "summary": [], "provider": "azure"},
        {"type": "reasoning", "encrypted_content": "g", "summary": []},
        {"type": "reasoning", "encrypted_content": "", "provider": "openai"},
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "reasoning", "encrypted_content": "g", "provider": "openai", "after_text": 99},
        {"type": "message", "phase": "shouted"},
    ]
    told = sent(**said(reasoning_details=details, reasoning_content="Hm."))["input"][1:]
    assert told == [{"type": "message", "role": "assistant", "content": "Hm"}]


def test_an_answer_that_the_caller_has_shortened_is_still_one() -> None:
    (choice,) = decoded(answer(*TURNS[3])).choices
    turn = {**choice["message"], "content": "On"}
    told = sent(messages=[*HELLO, turn])["input"][1:]
    assert told == [{"type": "message", "role": "assistant", "content": "On"}]


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"n": 2}, "n"),
        ({"stop": "x"}, "stop"),
        ({"seed": 7}, "seed"),
        ({"frequency_penalty": 1}, "frequency_penalty"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"logit_bias": {"1": 1}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"top_k": 5}, "top_k"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"thinking": {"type": "enabled"}}, "thinking"),
        ({"modalities": ["audio"]}, "modalities"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"grammar": "x"}, "grammar"),
        ({"background": True}, "background"),
        ({"max_tokens": 15}, "max_tokens"),
        ({"max_completion_tokens": 15}, "max_completion_tokens"),
        ({"reasoning": {"max_tokens": 5}}, "reasoning.max_tokens"),
        ({"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, "reasoning.effort"),
        ({"tools": [CUSTOM]}, "tools[0].type"),
        ({"tools": [{**WEATHER, "cache_control": {"type": "e"}}]}, "tools[0].cache_control"),
        ({"tools": [WEATHER], "tool_choice": CUSTOM}, "tool_choice.custom.name"),
        (
            {
                "tools": [WEATHER],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [CUSTOM]},
                },
            },
            "tool_choice",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
        ),
        (said(prefix=True), "messages[1].prefix"),
        (said(role="function", name="f"), "messages[1].role"),
        (said(audio={"id": "a"}), "messages[1].audio"),
        (
            said(tool_calls=[{"id": "a", "type": "custom", "custom": {"name": "c", "input": ""}}]),
            "messages[1].tool_calls[0].type",
        ),
        (
            {
                "messages": [
                    *HELLO,
                    {"role": "assistant", "content": None, "tool_calls": [CALL]},
                    {"role": "tool", "tool_call_id": "a", "content": "x", "is_error": True},
                ]
            },
            "messages[2].is_error",
        ),
        (
            asked({"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}),
            PLACE + "type",
        ),
        (asked({"type": "text", "text": "x", "cache_control": MARK}), PLACE + "cache_control"),
        (
            asked({"type": "image_url", "image_url": {"url": "u", "size": 1}}),
            PLACE + "image_url.size",
        ),
        (asked({"type": "file", "file": {"file_id": "f", "title": "t"}}), PLACE + "file.title"),
    ],
)  # fmt: skip
def test_what_has_no_place_is_refused_by_name(body: dict[str, Any], path: str) -> None:
    assert refused(body).param == path


def test_all_fields_without_a_place_are_listed() -> None:
    assert len(refused({"seed": 1, "stop": "x", "grammar": "y"}).errors) == 3


def test_azures_version_goes_into_the_path() -> None:
    deployment = replace(TARGET.deployment, path="/openai/v1", options={"api_version": "preview"})
    request = parse_chat(json.dumps({"model": "m", "messages": HELLO}).encode())
    encoded = DIALECT.encode(request, TARGET.replace(deployment=deployment))
    assert encoded.path == "/openai/v1/responses?api-version=preview"


def test_each_attempt_encodes_from_the_same_original() -> None:
    turn = decoded(answer(*TURNS[0])).choices[0]["message"]
    body = {"model": "m", "messages": [*HELLO, turn], "tools": [WEATHER]}
    request = parse_chat(json.dumps(body).encode())
    first, second = (DIALECT.encode(request, TARGET).body for _ in range(2))
    assert first == second


@given(FIELDS, st.lists(PARTS, min_size=1, max_size=3), st.lists(DETAILS, max_size=3))
def test_no_request_raises_anything_but_a_refusal(
    fields: dict[str, Any], parts: list[dict[str, Any]], details: list[dict[str, Any]]
) -> None:
    messages = [
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "abc", "reasoning_details": details},
    ]
    body = {"model": "m", "messages": messages, **fields}
    try:
        DIALECT.encode(parse_chat(json.dumps(body).encode()), TARGET)
    except GatewayError as error:
        assert error.kind.status == 400  # noqa: PT017 - it may also be taken
