"""OpenAI's parameters, tools and forms as Converse's; what has no place there is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.bedrock.dialect import Bedrock

from .bedrock_requests import (
    ADAPTIVE,
    CLAUDE,
    COMMAND,
    GPT,
    HELLO,
    LLAMA,
    NOVA,
    OSS,
    PNG,
    QWEN,
    VEILED,
    WEATHER,
    bedrock,
    encoded,
    refused,
)
from .converse_model import mistakes
from .odd_requests import DETAILS, FIELDS, PARTS

ALLOWED = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [WEATHER]}}
CUSTOM = {"id": "a", "type": "custom", "custom": {"name": "c", "input": "x"}}
PICTURE = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
SAID = {"role": "assistant", "content": "Hm"}


def turn(**fields: Any) -> dict[str, Any]:
    """A conversation whose second message has these fields."""
    return {"messages": [*HELLO, {**SAID, **fields}, *HELLO]}


# --- parameters ---------------------------------------------------------------------------------


def test_thoughts_have_room_of_their_own_where_the_caller_sets_no_limit() -> None:
    for model, asked, limit in (
        (ADAPTIVE, {"thinking": {"type": "adaptive"}}, 9192),
        (ADAPTIVE, {"thinking": {"type": "adaptive"}, "reasoning_effort": "high"}, 17384),
        (CLAUDE, {"thinking": {"type": "enabled", "budget_tokens": 3000}}, 4000),
        (CLAUDE, {"thinking": {"type": "disabled"}}, 1000),
        (CLAUDE, {"reasoning": {"max_tokens": 2000}}, 3000),
        (NOVA, {"reasoning_effort": "high", "max_tokens": 50}, 50),
    ):
        assert encoded(asked, model)["inferenceConfig"]["maxTokens"] == limit, asked
    assert "maxTokens" not in encoded({"reasoning_effort": "high"}, NOVA)["inferenceConfig"]


def test_sampling_and_limits_go_to_the_inference_config() -> None:
    sent = encoded({"max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "stop": ["a", "b"]}, LLAMA)
    assert sent["inferenceConfig"] == {
        "maxTokens": 7, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a", "b"],
    }  # fmt: skip
    assert encoded({})["inferenceConfig"] == {"maxTokens": 1000}
    assert encoded({"stop": "x"})["inferenceConfig"]["stopSequences"] == ["x"]


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        (CLAUDE, {"temperature": 0.5, "top_p": 1}, {"temperature": 0.5}),
        (CLAUDE, {"temperature": 1, "top_p": 0.9}, {"topP": 0.9}),
        (CLAUDE, {"temperature": 1, "top_p": 1}, {"temperature": 1}),
        (ADAPTIVE, {"top_p": 0.9}, {"topP": 0.9}),
        (VEILED, {"temperature": 1, "top_p": 1}, {}),
        ("anthropic.claude-3-haiku-20240307-v1:0", {"temperature": 0.5, "top_p": 0.9},
         {"temperature": 0.5, "topP": 0.9}),
        (CLAUDE, {"temperature": 1, "reasoning_effort": "low"}, {"temperature": 1}),
    ],
)  # fmt: skip
def test_defaults_are_left_out_where_claude_takes_no_other(
    model: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    config = encoded({**given, "max_tokens": 5000}, model)["inferenceConfig"]
    assert config == {"maxTokens": 5000, **sent}


@pytest.mark.parametrize(
    ("model", "given", "path"),
    [
        (CLAUDE, {"temperature": 0.5, "top_p": 0.9}, "top_p"),
        (VEILED, {"temperature": 0.5}, "temperature"),
        (VEILED, {"top_p": 0.5}, "top_p"),
        (VEILED, {"top_k": 5}, "top_k"),
        ("anthropic.claude-opus-4-7", {"temperature": 0}, "temperature"),
        (CLAUDE, {"temperature": 0.5, "reasoning_effort": "low"}, "temperature"),
        (CLAUDE, {"top_p": 0.5, "reasoning_effort": "low"}, "top_p"),
        (CLAUDE, {"top_k": 5, "reasoning_effort": "low"}, "top_k"),
    ],
)
def test_how_claude_draws_tokens_is_within_its_bounds(
    model: str, given: dict[str, Any], path: str
) -> None:
    assert refused(given, model).param == path


def test_a_value_out_of_range_is_named() -> None:
    error = refused({"temperature": 1.5})
    assert (error.kind.type, error.param) == ("invalid_field", "temperature")


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        (CLAUDE, {"top_k": 20}, {"top_k": 20}),
        (NOVA, {"top_k": 10}, {"inferenceConfig": {"topK": 10}}),
        (COMMAND, {"top_k": 3, "seed": 4}, {"k": 3, "seed": 4}),
        (COMMAND, {"frequency_penalty": 0.5}, {"frequency_penalty": 0.5}),
    ],
)
def test_what_a_family_takes_besides_goes_to_the_additional_fields(
    model: str, given: dict[str, Any], sent: dict[str, Any]
) -> None:
    assert encoded(given, model)["additionalModelRequestFields"] == sent


@pytest.mark.parametrize(
    ("model", "given", "fields", "limit"),
    [
        (CLAUDE, {"reasoning_effort": "low"}, {"thinking": ("enabled", 2048)}, 3048),
        (
            CLAUDE,
            {"reasoning_effort": "high", "max_tokens": 10_000},
            {"thinking": ("enabled", 8000)},
            10_000,
        ),
        (CLAUDE, {"reasoning": {"max_tokens": 2000}}, {"thinking": ("enabled", 2000)}, 3000),
        (
            CLAUDE,
            {"thinking": {"type": "enabled", "budget_tokens": 1500}},
            {"thinking": ("enabled", 1500)},
            2500,
        ),
        (CLAUDE, {"reasoning_effort": "none"}, {"thinking": ("disabled", None)}, 1000),
        (CLAUDE, {"thinking": {"type": "disabled"}}, {"thinking": ("disabled", None)}, 1000),
        (CLAUDE, {"reasoning": {"enabled": False}}, {"thinking": ("disabled", None)}, 1000),
        (CLAUDE, {"reasoning": {"enabled": True}}, {"thinking": ("enabled", 8192)}, 9192),
        (
            ADAPTIVE,
            {"thinking": {"type": "adaptive"}, "reasoning_effort": "low"},
            {"thinking": ("adaptive", None), "output_config": {"effort": "low"}},
            3048,
        ),
        (
            ADAPTIVE,
            {"reasoning_effort": "high"},
            {"thinking": ("adaptive", None), "output_config": {"effort": "high"}},
            17384,
        ),
        (
            VEILED,
            {"reasoning": {"effort": "max"}},
            {"thinking": ("adaptive", None), "output_config": {"effort": "max"}},
            66536,
        ),
        (
            NOVA,
            {"reasoning_effort": "medium"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "medium"}},
            9192,
        ),
        (
            NOVA,
            {"reasoning_effort": "high"},
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            None,
        ),
        (QWEN, {"reasoning_effort": "high"}, {"reasoning_config": "high"}, 17384),
        (OSS, {"reasoning_effort": "low"}, {"reasoning_effort": "low"}, 3048),
        (OSS, {}, {}, 1000),
        (GPT, {"reasoning_effort": "minimal"}, {"reasoning": {"effort": "low"}}, 3048),
        (GPT, {"reasoning": {"effort": "max"}}, {"reasoning": {"effort": "max"}}, 66_536),
        (GPT, {"reasoning_effort": "none"}, {"reasoning": {"effort": "none"}}, 1000),
        (GPT, {"thinking": {"type": "disabled"}}, {"reasoning": {"effort": "none"}}, 1000),
        (GPT, {}, {}, 1000),
        (VEILED, {}, {}, 1000),
        (VEILED, {"max_tokens": 60}, {}, 60),
        (VEILED, {"reasoning_effort": "none"}, {"thinking": ("disabled", None)}, 1000),
        (ADAPTIVE, {}, {}, 1000),
        (LLAMA, {"reasoning_effort": "none"}, {}, 1000),
    ],
)
def test_effort_is_told_to_each_family_in_its_own_words(
    model: str, given: dict[str, Any], fields: dict[str, Any], limit: int | None
) -> None:
    sent = encoded(given, model)
    told = sent.get("additionalModelRequestFields", {})
    thinking = told.get("thinking")
    if thinking is not None:
        told = {**told, "thinking": (thinking["type"], thinking.get("budget_tokens"))}
    assert told == fields
    assert sent["inferenceConfig"].get("maxTokens") == limit


@pytest.mark.parametrize(
    ("model", "given", "path"),
    [
        (CLAUDE, {"reasoning_effort": "high", "max_tokens": 1000}, "reasoning_effort"),
        (CLAUDE, {"reasoning": {"exclude": True}}, "reasoning.exclude"),
        (ADAPTIVE, {"reasoning": {"max_tokens": 2000}}, "reasoning.max_tokens"),
        (LLAMA, {"reasoning_effort": "low"}, "reasoning_effort"),
        (LLAMA, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, "thinking"),
        (OSS, {"reasoning_effort": "none"}, "reasoning_effort"),
        (LLAMA, {"top_k": 5}, "top_k"),
        (CLAUDE, {"seed": 1}, "seed"),
        (CLAUDE, {"n": 2}, "n"),
        (CLAUDE, {"frequency_penalty": 0.5}, "frequency_penalty"),
        (CLAUDE, {"presence_penalty": 0.5}, "presence_penalty"),
        (CLAUDE, {"logit_bias": {"1": 1}}, "logit_bias"),
        (CLAUDE, {"logprobs": True}, "logprobs"),
        (CLAUDE, {"tools": [WEATHER], "parallel_tool_calls": False}, "parallel_tool_calls"),
        (CLAUDE, {"functions": [{"name": "f"}]}, "functions"),
        (CLAUDE, {"modalities": ["text", "audio"]}, "modalities"),
        (CLAUDE, {"verbosity": "low"}, "verbosity"),
        (CLAUDE, {"store": True}, "store"),
        (CLAUDE, {"prediction": {"type": "content", "content": "x"}}, "prediction"),
        (CLAUDE, {"web_search_options": {}}, "web_search_options"),
        (CLAUDE, {"prompt_cache_key": "k"}, "prompt_cache_key"),
        (CLAUDE, {"service_tier": "scale"}, "service_tier"),
        (CLAUDE, {"user": "ü" * 3}, "user"),
        (CLAUDE, {"metadata": {"a": 1}}, "metadata.a"),
        (CLAUDE, {"response_format": {"type": "json_object"}}, "response_format.type"),
        (CLAUDE, {"grammar": "x"}, "grammar"),
        (CLAUDE, {"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        (CLAUDE, {"tools": [WEATHER], "tool_choice": ALLOWED}, "tool_choice.type"),
        (CLAUDE, {"metadata": {str(n): "x" for n in range(17)}}, "metadata"),
        (CLAUDE, turn(role="function", name="f"), "messages[1].role"),
        (CLAUDE, turn(role="system", content=[PICTURE]), "messages[1].content[0].type"),
        (CLAUDE, turn(audio={"id": "a"}), "messages[1].audio"),
        (CLAUDE, turn(function_call={"name": "f", "arguments": "{}"}), "messages[1].function_call"),
        (CLAUDE, {"messages": [{**SAID, "prefix": True}, *HELLO]}, "messages[0].prefix"),
        (CLAUDE, turn(role="user", content=[{"type": "video_url"}]), "messages[1].content[0].type"),
        (
            CLAUDE,
            turn(role="user", cache_control={"type": "ephemeral", "ttl": "9h"}),
            "messages[1].cache_control.ttl",
        ),
        (CLAUDE, turn(tool_calls=[CUSTOM]), "messages[1].tool_calls[0].type"),
    ],
)
def test_what_has_no_place_is_refused_by_name(model: str, given: dict[str, Any], path: str) -> None:
    error = refused(given, model)
    assert error.param == path
    assert error.kind.type in ("unsupported_field", "invalid_field")


def test_values_that_ask_for_nothing_are_no_reason_to_refuse() -> None:
    sent = encoded(
        {
            "n": 1, "logprobs": False, "frequency_penalty": 0, "presence_penalty": 0,
            "store": False, "parallel_tool_calls": True, "logit_bias": {},
            "modalities": ["text"],
            "service_tier": "auto", "response_format": {"type": "text"},
        }
    )  # fmt: skip
    assert sent.keys() == {"messages", "inferenceConfig"}


def test_tags_tier_and_guardrail_have_their_places() -> None:
    sent = encoded(
        {"user": "u-1", "metadata": {"team": "blue"}, "service_tier": "flex"},
        guardrail_identifier="abc123",
        guardrail_version="DRAFT",
        guardrail_trace="enabled",
    )
    assert sent["requestMetadata"] == {"team": "blue", "user": "u-1"}
    assert sent["serviceTier"] == {"type": "flex"}
    assert sent["guardrailConfig"] == {
        "guardrailIdentifier": "abc123", "guardrailVersion": "DRAFT", "trace": "enabled",
    }  # fmt: skip


# --- tools and forms ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "weather"}}, {"tool": {"name": "weather"}}),
        (None, None),
    ],
)
def test_a_choice_of_tool_is_told(choice: Any, sent: Any) -> None:
    config = encoded({"tools": [WEATHER], "tool_choice": choice})["toolConfig"]
    assert config.get("toolChoice") == sent
    spec = config["tools"][0]["toolSpec"]
    assert (spec["name"], spec["description"]) == ("weather", "Tells the weather")
    assert spec["inputSchema"]["json"]["properties"] == {"city": {"type": "string"}}


def test_no_tool_is_offered_where_none_may_be_called() -> None:
    assert "toolConfig" not in encoded({"tools": [WEATHER], "tool_choice": "none"})


@pytest.mark.parametrize("choice", ["required", "any"])
def test_nobody_is_made_to_call_a_tool_where_there_is_none(choice: str) -> None:
    assert refused({"tool_choice": choice}, CLAUDE).param == "tool_choice"
    assert "toolConfig" not in encoded({"tool_choice": "auto"}, CLAUDE)


@pytest.mark.parametrize(
    "model",
    ["anthropic.claude-opus-5-5", "us.anthropic.claude-sonnet-5-5", "x.anthropic.claude-fable-5-1"],
)
def test_models_that_cannot_be_made_to_call_a_tool_are_not_asked_to(model: str) -> None:
    for choice in ("required", {"type": "function", "function": {"name": "weather"}}):
        error = refused({"tools": [WEATHER], "tool_choice": choice}, model)
        assert error.param == "tool_choice"
    assert encoded({"tools": [WEATHER], "tool_choice": "auto"}, model)["toolConfig"]


def test_models_that_always_think_are_not_told_to_stop() -> None:
    for model in ("anthropic.claude-opus-5-5", "anthropic.claude-fable-5"):
        assert refused({"reasoning_effort": "none"}, model).param == "reasoning_effort"
    sent = encoded({"reasoning_effort": "none"}, "us.anthropic.claude-sonnet-5-5")
    assert sent["additionalModelRequestFields"] == {"thinking": {"type": "between_tools"}}
    sent = encoded({"reasoning_effort": "none"}, VEILED)
    assert sent["additionalModelRequestFields"] == {"thinking": {"type": "disabled"}}


def test_a_schema_for_the_answer_is_told_as_text() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "string"}},
        "required": ["a"],
        "additionalProperties": False,
    }
    told = {"name": "form", "description": "A form", "schema": schema}
    wanted = {"type": "json_schema", "json_schema": told}
    form = encoded({"response_format": wanted})["outputConfig"]["textFormat"]
    assert form["type"] == "json_schema"
    assert json.loads(form["structure"]["jsonSchema"]["schema"]) == schema
    assert form["structure"]["jsonSchema"]["name"] == "form"
    assert form["structure"]["jsonSchema"]["description"] == "A form"


def test_a_refusal_and_a_strict_tool_have_their_places() -> None:
    tool = {"type": "function", "function": {**WEATHER["function"], "strict": True}}
    refusal = [{"type": "text", "text": "No."}, {"type": "refusal", "refusal": "I will not."}]
    sent = encoded({**turn(content=refusal), "tools": [tool]})
    assert sent["messages"][1]["content"] == [{"text": "No."}, {"text": "I will not."}]
    assert sent["toolConfig"]["tools"][0]["toolSpec"]["strict"] is True


def test_nova_searches_the_web_where_it_is_asked_to() -> None:
    tools = encoded({"web_search_options": {}}, NOVA)["toolConfig"]["tools"]
    assert tools == [{"systemTool": {"name": "nova_grounding"}}]


def test_every_unknown_field_is_told_at_once() -> None:
    error = refused({"grammar": "x", "mirostat": 2, "seed": 4})
    assert len(error.errors) == 3


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
        request = parse_chat(json.dumps(body).encode())
        for model in (CLAUDE, NOVA, LLAMA):
            sent = Bedrock().encode(request, bedrock(model))
            assert mistakes(sent.body) == ""
    except GatewayError as error:
        assert error.kind.status == 400  # noqa: PT017 - it may also be taken
