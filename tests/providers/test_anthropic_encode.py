"""Requests in the Anthropic dialect, all but the messages."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.anthropic.dialect import Anthropic

from .anthropic_wire import judge, request, sent
from .samples import SECRET, target_of

ASK = {"messages": [{"role": "user", "content": "hi"}]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA}}
SENT_TOOL = {"name": "f", "description": "d", "input_schema": SCHEMA}
OLD, MANUAL, BOTH, NEW = (
    "claude-3-5-haiku-20241022", "claude-sonnet-4-5-20250929", "claude-opus-4-6", "claude-opus-5",
)  # fmt: skip


def refusal(body: dict[str, Any], model: str = MANUAL) -> GatewayError:
    with pytest.raises(GatewayError) as error:
        request({**ASK, **body}, model)
    assert error.value.kind.type == "unsupported_field"
    return error.value


def test_the_judge_can_say_no() -> None:
    good = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "x"}]}
    judge(good)
    for bad in (
        {**good, "seed": 1},
        {**good, "messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {**good, "tools": [{"name": "f"}]},
    ):
        with pytest.raises(ValidationError):
            judge(bad)


def test_the_request_goes_to_the_messages_of_the_deployment() -> None:
    made = request(ASK)
    assert (made.method, str(made.origin), made.path) == (
        "POST", "https://api.anthropic.com", "/v1/messages",
    )  # fmt: skip
    assert dict(made.headers) == {
        "content-type": "application/json",
        "accept": "application/json",
        "anthropic-version": "2023-06-01",
    }
    assert SECRET not in str((made.headers, made.body))


def test_a_plain_request_says_no_more_than_it_has_to() -> None:
    assert sent(ASK) == {
        "model": "claude-sonnet-4-5",
        "max_tokens": 1000,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }


def test_a_stream_is_asked_for_as_one() -> None:
    made = request({**ASK, "stream": True, "stream_options": {"include_usage": True}})
    assert dict(made.headers)["accept"] == "text/event-stream"
    body = sent({**ASK, "stream": True, "stream_options": {"include_usage": True}})
    assert body["stream"] is True
    assert "stream_options" not in body


def test_a_prompt_becomes_a_message() -> None:
    assert sent({"prompt": "what?"})["messages"] == [
        {"role": "user", "content": [{"type": "text", "text": "what?"}]}
    ]


@pytest.mark.parametrize(
    ("given", "arrives"),
    [
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_completion_tokens": 8}, {"max_tokens": 8}),
        ({"temperature": 0.3}, {"temperature": 0.3}),
        ({"temperature": 1}, {"temperature": 1}),
        ({"top_p": 0.5, "top_k": 5}, {"top_p": 0.5, "top_k": 5}),
        ({"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": None}),
        ({"temperature": 1, "top_p": 0.5}, {"temperature": None, "top_p": 0.5}),
        ({"stop": "end"}, {"stop_sequences": ["end"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"stop": []}, {"stop_sequences": None}),
        ({"user": "u1"}, {"metadata": {"user_id": "u1"}, "user": None}),
        ({"metadata": {"user_id": "u1"}}, {"metadata": {"user_id": "u1"}}),
        ({"safety_identifier": "s", "user": "u"}, {"metadata": {"user_id": "s"}}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"cache_control": {"type": "ephemeral"}}, {"cache_control": {"type": "ephemeral"}}),
        ({"tools": [TOOL]}, {"tools": [SENT_TOOL], "tool_choice": None}),
        (
            {"tools": [{**TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
            {"tools": [{**SENT_TOOL, "cache_control": {"type": "ephemeral", "ttl": "1h"}}]},
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "strict": True}}]},
            {"tools": [{"name": "f", "input_schema": {"type": "object"}, "strict": True}]},
        ),
        ({"tools": [TOOL], "tool_choice": "none"}, {"tool_choice": {"type": "none"}}),
        ({"tools": [TOOL], "tool_choice": "auto"}, {"tool_choice": {"type": "auto"}}),
        ({"tools": [TOOL], "tool_choice": "required"}, {"tool_choice": {"type": "any"}}),
        (
            {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_choice": {"type": "tool", "name": "f"}},
        ),
        (
            {"tools": [TOOL], "parallel_tool_calls": False},
            {"tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        ),
        (
            {"tools": [TOOL], "parallel_tool_calls": False, "tool_choice": "required"},
            {"tool_choice": {"type": "any", "disable_parallel_tool_use": True}},
        ),
        (
            {"tools": [TOOL], "parallel_tool_calls": False, "tool_choice": "none"},
            {"tool_choice": {"type": "none"}},
        ),
        ({"tools": [TOOL], "parallel_tool_calls": True}, {"tool_choice": None}),
        ({"tool_choice": "auto", "parallel_tool_calls": False}, {"tool_choice": None}),
        (
            {"functions": [TOOL["function"]], "function_call": {"name": "f"}},
            {"tools": [SENT_TOOL], "tool_choice": {"type": "tool", "name": "f"}},
        ),
        (
            {"functions": [TOOL["function"]], "function_call": "none"},
            {"tools": [SENT_TOOL], "tool_choice": {"type": "none"}},
        ),
        (
            {"web_search_options": {"search_context_size": "medium", "user_location": {
                "type": "approximate", "approximate": {"city": "Berlin", "country": "DE"}}}},
            {"tools": [{"type": "web_search_20250305", "name": "web_search", "user_location": {
                "type": "approximate", "city": "Berlin", "country": "DE"}}]},
        ),
        ({"response_format": {"type": "text"}}, {"output_config": None}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {
                "name": "n", "schema": SCHEMA, "description": "what", "strict": True}}},
            {"output_config": {"format": {
                "type": "json_schema", "schema": {**SCHEMA, "description": "what"}}}},
        ),
        (
            {"n": 1, "frequency_penalty": 0, "presence_penalty": 0, "logit_bias": {},
             "logprobs": False, "store": False, "modalities": ["text"], "verbosity": "medium"},
            {"n": None, "logprobs": None},
        ),
    ],
)  # fmt: skip
def test_what_anthropic_has_too_is_said_in_its_words(
    given: dict[str, Any], arrives: dict[str, Any]
) -> None:
    body = sent({**ASK, **given})
    assert {key: body.get(key) for key in arrives} == arrives


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"seed": 1}, "seed"),
        ({"n": 2}, "n"),
        ({"frequency_penalty": 0.1}, "frequency_penalty"),
        ({"presence_penalty": -0.1}, "presence_penalty"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "alloy"}}, "audio"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"verbosity": "low"}, "verbosity"),
        ({"store": True}, "store"),
        ({"safety_settings": [{"category": "x"}]}, "safety_settings"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key"),
        ({"temperature": 1.2}, "temperature"),
        ({"temperature": 0.5, "top_p": 0.5}, "top_p"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
        ),
        ({"service_tier": "flex"}, "service_tier"),
        ({"metadata": {"team": "x"}}, "metadata.team"),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        (
            {"tools": [{"type": "function", "function": {
                "name": "f", "parameters": {"anyOf": [SCHEMA]}}}]},
            "tools[0].function.parameters.anyOf",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {"tools": [TOOL], "tool_choice": {"type": "allowed_tools", "allowed_tools": {}}},
            "tool_choice.type",
        ),
        ({"web_search_options": {"search_context_size": "high"}},
         "web_search_options.search_context_size"),
        ({"stream": True, "stream_options": {"include_obfuscation": True}},
         "stream_options.include_obfuscation"),
        ({"x_new": 1}, "x_new"),
        ({"messages": [{"role": "system", "content": "only"}]}, "messages"),
    ],
)  # fmt: skip
def test_what_anthropic_has_not_is_refused_by_its_path(given: dict[str, Any], param: str) -> None:
    error = refusal(given)
    assert error.param == param
    assert param in error.message


def test_a_tool_cannot_be_forced_while_the_model_thinks_within_a_budget() -> None:
    given = {"tools": [TOOL], "tool_choice": "required", "reasoning_effort": "low"}
    assert refusal(given).param == "tool_choice"
    assert sent({**ASK, **given}, NEW)["tool_choice"] == {"type": "any"}


def test_another_platform_has_its_own_address() -> None:
    class Elsewhere(Anthropic):
        system_turns = False

        def address(self, fields, betas, target, *, stream):  # type: ignore[no-untyped-def]
            fields["anthropic_version"] = "elsewhere-1"
            return f"/{fields.pop('model')}:raw", (("x-stream", str(stream)),)

    system = {"role": "system", "content": "s"}
    body = json.dumps({"model": "m", "messages": [*ASK["messages"], system], "stream": True})
    made = Elsewhere().encode(
        parse_chat(body.encode()), target_of("anthropic", upstream_model="claude-opus-5")
    )
    assert made.path == "/v1/claude-opus-5:raw"
    assert dict(made.headers)["x-stream"] == "True"
    arrived = json.loads(made.body)
    assert "model" not in arrived
    assert arrived["anthropic_version"] == "elsewhere-1"
    assert arrived["system"] == [{"type": "text", "text": "s"}]


def test_each_attempt_encodes_from_the_same_original() -> None:
    chat = parse_chat(json.dumps({"model": "m", **ASK, "tools": [TOOL], "stop": ["x"]}).encode())
    before = msgspec.json.encode(chat.body)
    first = Anthropic().encode(chat, target_of("anthropic"))
    Anthropic().encode(chat, target_of("anthropic", upstream_model=NEW))
    assert Anthropic().encode(chat, target_of("anthropic")) == first
    assert msgspec.json.encode(chat.body) == before


def test_every_refused_field_is_listed() -> None:
    error = refusal({"seed": 1, "n": 3, "x_new": {"a": 1}, "temperature": 1.5})
    assert [one.split(":")[0] for one in error.errors] == ["x_new", "seed", "n", "temperature"]
    assert error.param == "x_new"


def test_a_range_is_told_with_the_refusal() -> None:
    assert "between 0 and 1, got 1.2" in refusal({"temperature": 1.2}).message


@pytest.mark.parametrize(
    ("model", "given", "arrives"),
    [
        (NEW, {"temperature": 1, "top_p": 1}, {}),
        (NEW, {"temperature": 0.9}, "temperature"),
        (NEW, {"top_k": 3}, "top_k"),
        (OLD, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}),
        ("some-local-model", {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5, "top_p": 1}),
        (MANUAL, {"temperature": 0.5, "reasoning_effort": "low"}, "temperature"),
        (MANUAL, {"top_p": 0.5, "reasoning_effort": "low"}, "top_p"),
        (MANUAL, {"top_k": 5, "reasoning_effort": "low"}, "top_k"),
        (MANUAL, {"temperature": 1, "reasoning_effort": "low"}, {"temperature": 1}),
    ],
)
def test_how_tokens_may_be_drawn_depends_on_the_model(
    model: str, given: dict[str, Any], arrives: dict[str, Any] | str
) -> None:
    if isinstance(arrives, str):
        assert refusal(given, model).param == arrives
        return
    body = sent({**ASK, **given}, model)
    assert {k: v for k, v in body.items() if k in ("temperature", "top_p", "top_k")} == arrives
