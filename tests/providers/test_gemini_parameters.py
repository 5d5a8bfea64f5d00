"""Parameters of a request, as Gemini has them or refuses them."""

from __future__ import annotations

from typing import Any

import pytest

from .gemini_asking import HELLO, TOOLS, config, gemini, refusal, user
from .gemini_types import sent


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, {"maxOutputTokens": 1000}),
        ({"max_tokens": 7}, {"maxOutputTokens": 7}),
        ({"max_completion_tokens": 8}, {"maxOutputTokens": 8}),
        (
            {"temperature": 0.5, "top_p": 0.9, "top_k": 40, "seed": 3, "n": 2},
            {"temperature": 0.5, "topP": 0.9, "topK": 40, "seed": 3, "candidateCount": 2},
        ),
        (
            {"frequency_penalty": 0.1, "presence_penalty": -0.1},
            {"frequencyPenalty": 0.1, "presencePenalty": -0.1},
        ),
        ({"stop": "a"}, {"stopSequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stopSequences": ["a", "b"]}),
        ({"logprobs": True, "top_logprobs": 3}, {"responseLogprobs": True, "logprobs": 3}),
        ({"logprobs": False}, {}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {"response_format": {"type": "json_object"}},
            {"responseMimeType": "application/json"},
        ),
        ({"modalities": ["text", "image"]}, {"responseModalities": ["TEXT", "IMAGE"]}),
        (
            {"modalities": ["audio"], "audio": {"voice": "Kore", "format": "pcm16"}},
            {
                "responseModalities": ["AUDIO"],
                "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
            },
        ),
        ({"service_tier": "auto", "store": False, "user": "u", "metadata": {"a": "b"}}, {}),
    ],
)
def test_parameters_have_googles_names(body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert config(body) == {"maxOutputTokens": 1000, **expected}


@pytest.mark.parametrize(
    ("model", "body", "limit"),
    [
        ("gemini-2.0-flash", {}, 1000),
        ("gemini-2.5-flash-lite", {}, 1000),
        ("gemini-2.5-flash-lite", {"reasoning_effort": "low"}, 2024),
        ("gemini-2.5-pro", {}, 1000),
        ("gemini-2.5-pro", {"reasoning_effort": "high"}, 25576),
        ("gemini-2.5-flash", {"reasoning_effort": "none"}, 1000),
        ("gemini-2.5-flash", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, 3000),
        ("gemini-3.1-pro-preview", {}, 1000),
        ("gemini-3.1-pro-preview", {"reasoning_effort": "low"}, 3048),
        ("gemini-3.1-pro-preview", {"reasoning_effort": "low", "max_tokens": 50}, 50),
    ],
)
def test_a_limit_that_nobody_set_leaves_room_for_thoughts(
    model: str, body: dict[str, Any], limit: int
) -> None:
    assert config(body, model)["maxOutputTokens"] == limit


FLASH_25, PRO_25 = "gemini-2.5-flash", "gemini-2.5-pro"
FLASH_3, PRO_3, PRO_31 = "gemini-3-flash-preview", "gemini-3-pro-preview", "gemini-3.1-pro-preview"


@pytest.mark.parametrize(
    ("model", "body", "expected"),
    [
        (FLASH_25, {"reasoning_effort": "none"}, {"thinkingBudget": 0}),
        (FLASH_25, {"reasoning_effort": "low"}, (1024, True)),
        (PRO_25, {"reasoning_effort": "medium"}, (8192, True)),
        (PRO_25, {"reasoning_effort": "high"}, (24576, True)),
        (FLASH_3, {"reasoning_effort": "minimal"}, ("MINIMAL", True)),
        ("gemini-3.6-flash", {"reasoning_effort": "minimal"}, ("MINIMAL", True)),
        ("gemini-3.8-flash", {"reasoning_effort": "minimal"}, ("LOW", True)),
        ("gemini-4-neon", {"reasoning_effort": "minimal"}, ("LOW", True)),
        ("gemini-4-neon", {"reasoning": {"effort": "xhigh"}}, ("XHIGH", True)),
        ("gemini-4-neon", {"thinking": {"type": "adaptive"}}, {"includeThoughts": True}),
        (PRO_31, {"reasoning_effort": "minimal"}, ("LOW", True)),
        (PRO_3, {"reasoning_effort": "medium"}, ("HIGH", True)),
        (PRO_31, {"reasoning_effort": "medium"}, ("MEDIUM", True)),
        ("gemini-flash-latest", {"reasoning_effort": "high"}, ("HIGH", True)),
        (FLASH_25, {"reasoning": {"max_tokens": 500}}, (500, True)),
        (FLASH_3, {"reasoning": {"effort": "low", "exclude": True}}, ("LOW", False)),
        (FLASH_3, {"reasoning": {"enabled": True}}, {"includeThoughts": True}),
        (FLASH_25, {"reasoning": {"enabled": False}}, {"thinkingBudget": 0}),
        (FLASH_25, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, (2000, True)),
        (FLASH_25, {"thinking": {"type": "disabled"}}, {"thinkingBudget": 0}),
        (FLASH_25, {"thinking": {"type": "adaptive"}}, {"includeThoughts": True}),
        ("gemini-2.0-flash", {"reasoning_effort": "none"}, None),
    ],
)
def test_effort_and_budgets_become_each_models_own_thinking(
    model: str, body: dict[str, Any], expected: Any
) -> None:
    if isinstance(expected, tuple):
        name = "thinkingLevel" if isinstance(expected[0], str) else "thinkingBudget"
        expected = {name: expected[0], "includeThoughts": expected[1]}
    assert config(body, model).get("thinkingConfig") == expected


def test_safety_settings_pass() -> None:
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    body = sent({"messages": HELLO, "safety_settings": settings}, gemini())
    assert body["safetySettings"] == settings


def test_web_search_becomes_googles_own_tool() -> None:
    body = sent({"messages": HELLO, "web_search_options": {}}, gemini())
    assert body["tools"] == [{"googleSearch": {}}]


# --- refusals -----------------------------------------------------------------------------------


def allowed(tools: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": tools}}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"verbosity": "low"}, "verbosity"),
        ({"store": True}, "store"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key"),
        ({"cache_control": {"type": "ephemeral"}}, "cache_control"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"stop": list("abcdef")}, "stop"),
        ({"n": 9}, "n"),
        ({"seed": 2**31}, "seed"),
        ({"parallel_tool_calls": False, "tools": TOOLS}, "parallel_tool_calls"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        (
            {"tools": [{**TOOLS[0], "cache_control": {"type": "ephemeral"}}]},
            "tools[0].cache_control",
        ),
        ({"web_search_options": {"user_location": {}}}, "web_search_options.user_location"),
        ({"modalities": ["smell"]}, "modalities[0]"),
        ({"modalities": ["audio"], "audio": {"voice": "x", "format": "mp3"}}, "audio.format"),
        ({"reasoning_effort": "xhigh"}, "reasoning_effort"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        ({"thinking": {"type": "x"}}, "thinking.type"),
        ({"safety_settings": [{"category": "x"}]}, "safety_settings[0].threshold"),
        ({"safety_settings": [{"category": "x", "threshold": "y", "mood": "z"}]},
         "safety_settings[0].mood"),
        ({"audio": {"voice": "Kore", "format": "wav"}}, "audio"),
        ({"modalities": ["audio"], "audio": {"voice": {"id": "x"}, "format": "pcm16"}},
         "audio.voice"),
        ({"tools": TOOLS, "tool_choice": {"type": "mcp"}},
         "tool_choice.type"),
        ({"tools": TOOLS, "tool_choice": allowed([{"type": "custom"}])},
         "tool_choice.allowed_tools.tools[0]"),
        ({"tools": TOOLS, "tool_choice": allowed([])}, "tool_choice.allowed_tools.tools"),
        ({"messages": [*HELLO, {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "custom", "custom": {"name": "c", "input": "x"}}]}]},
         "messages[1].tool_calls[0].type"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "x", "images": "x"}]},
         "messages[1].images"),
        ({"messages": [*HELLO, {"role": "assistant", "content": "x",
            "images": [{"image_url": {"url": 1}}]}]},
         "messages[1].images[0]"),
        ({"messages": user({"type": "file", "file": {"file_data": "x", "size": 1}})},
         "messages[0].content[0].file.size"),
        ({"messages": user({"type": "input_audio", "input_audio": {"data": 1, "format": "wav"}})},
         "messages[0].content[0].input_audio.data"),
        ({"top_a": 1}, "top_a"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{**HELLO[0], "mood": "x"}]}, "messages[0].mood"),
        ({"messages": [*HELLO, {"role": "function", "name": "f", "content": "x"}]},
         "messages[1].role"),
        ({"messages": [*HELLO, {"role": "tool", "tool_call_id": "q", "content": "x"}]},
         "messages[1].tool_call_id"),
        ({"messages": [*HELLO, {"role": "assistant", "audio": {"id": "x"}}]}, "messages[1].audio"),
        ({"messages": user({"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}})},
         "messages[0].content[0].cache_control"),
        ({"messages": user({"type": "video_url", "text": "x"})}, "messages[0].content[0].type"),
        ({"messages": user({"type": "image_url", "image_url": {"url": "ftp://x"}})},
         "messages[0].content[0].image_url.url"),
        ({"messages": user({"type": "image_url", "image_url": {"url": "data:image/png,abc"}})},
         "messages[0].content[0].image_url.url"),
        ({"messages": user({"type": "image_url", "image_url": {"url": "gs://x", "detail": "q"}})},
         "messages[0].content[0].image_url.detail"),
        ({"messages": user({"type": "input_audio", "input_audio": {"data": "x", "format": "q"}})},
         "messages[0].content[0].input_audio.format"),
        ({"messages": user({"type": "file", "file": {"file_data": "x"}})},
         "messages[0].content[0].file.file_data"),
        ({"messages": [{"role": "system", "content": [
            {"type": "image_url", "image_url": {"url": "gs://x/y.png"}}]}, *HELLO]},
         "messages[0].content[0]"),
        ({"messages": [*HELLO, {"role": "assistant", "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": "[1"}}]}]},
         "messages[1].tool_calls[0].function.arguments"),
    ],
)  # fmt: skip
def test_what_gemini_has_not_is_refused_by_name(body: dict[str, Any], path: str) -> None:
    kind, param = refusal(body, gemini())
    assert kind in ("unsupported_field", "invalid_field")
    assert param == path


@pytest.mark.parametrize(
    ("model", "body", "path"),
    [
        (PRO_25, {"reasoning_effort": "none"}, "reasoning_effort"),
        ("gemini-4-neon", {"reasoning": {"max_tokens": 500}}, "reasoning.max_tokens"),
        ("gemini-4-neon", {"thinking": {"type": "enabled", "budget_tokens": 2000}},
         "thinking.budget_tokens"),
        (FLASH_3, {"thinking": {"type": "disabled"}}, "thinking.type"),
        ("gemini-2.0-flash", {"reasoning_effort": "low"}, "reasoning_effort"),
        ("gemini-2.0-flash", {"reasoning": {"max_tokens": 5}}, "reasoning.max_tokens"),
        (FLASH_25, {"thinking": {"type": "enabled", "budget_tokens": -1}},
         "thinking.budget_tokens"),
    ],
)  # fmt: skip
def test_thinking_that_a_model_has_not_is_refused(
    model: str, body: dict[str, Any], path: str
) -> None:
    assert refusal(body, gemini(model))[1] == path


# --- tools --------------------------------------------------------------------------------------
