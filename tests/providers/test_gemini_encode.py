"""Requests in Gemini's words."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from callgate.core.http import split_url
from callgate.core.models import Target, Vendor
from callgate.errors import GatewayError
from callgate.providers.registry import VENDORS

from .gemini_types import encoded, sent
from .samples import SECRET, target_of

HELLO = [{"role": "user", "content": "Hello"}]
PNG = "iVBORw0KGgo="


def gemini(model: str = "gemini-2.5-flash", vendor: str = "gemini", **options: str) -> Target:
    target = target_of(vendor, upstream_model=model)
    return target._replace(deployment=msgspec.structs.replace(target.deployment, options=options))


def config(body: dict[str, Any], model: str = "gemini-2.5-flash") -> dict[str, Any]:
    made: dict[str, Any] = sent({"messages": HELLO, **body}, gemini(model))["generationConfig"]
    return made


def contents(
    messages: list[dict[str, Any]], model: str = "gemini-2.5-flash"
) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = sent({"messages": messages}, gemini(model))["contents"]
    return made


def refusal(body: dict[str, Any], target: Target) -> tuple[str, str | None]:
    with pytest.raises(GatewayError) as caught:
        encoded({"messages": HELLO, **body}, target)
    assert caught.value.kind.origin == "client"
    return caught.value.kind.type, caught.value.param


def user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


# --- where it goes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "method"),
    [(False, ":generateContent"), (True, ":streamGenerateContent?alt=sse")],
)
def test_the_path_names_model_and_method(stream: bool, method: str) -> None:
    request = encoded({"messages": HELLO, "stream": stream}, gemini())
    assert request.path == "/v1beta/models/gemini-2.5-flash" + method
    assert str(request.origin) == "https://generativelanguage.googleapis.com"
    assert dict(request.headers)["accept"].endswith("event-stream" if stream else "json")
    assert SECRET not in repr(request)


@pytest.mark.parametrize(
    ("model", "path"),
    [
        ("models/gemini-2.5-pro", "/v1beta/models/gemini-2.5-pro"),
        ("tunedModels/mine-1", "/v1beta/tunedModels/mine-1"),
        ("bad model?x=1", "/v1beta/models/bad%20model%3Fx%3D1"),
    ],
)
def test_a_model_s_name_cannot_leave_its_place(model: str, path: str) -> None:
    assert encoded({"messages": HELLO}, gemini(model)).path == path + ":generateContent"


@pytest.mark.parametrize(
    ("base", "model", "options", "url"),
    [
        (
            None,
            "gemini-2.5-pro",
            {"project": "p", "location": "europe-west4"},
            (
                "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/europe-west4"
                "/publishers/google/models/gemini-2.5-pro"
            ),
        ),
        (
            None,
            "gemini-2.5-pro",
            {"project": "p"},
            (
                "https://aiplatform.googleapis.com/v1/projects/p/locations/global"
                "/publishers/google/models/gemini-2.5-pro"
            ),
        ),
        (
            None,
            "gemini-2.5-pro",
            {},
            "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-2.5-pro",
        ),
        (
            None,
            "endpoints/123",
            {"project": "p", "location": "us-central1"},
            (
                "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1"
                "/endpoints/123"
            ),
        ),
        (
            "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/q/locations/us-east5",
            "gemini-3-pro",
            {},
            (
                "https://us-east5-aiplatform.googleapis.com/v1beta1/projects/q/locations/us-east5"
                "/publishers/google/models/gemini-3-pro"
            ),
        ),
        (
            "http://127.0.0.1:9/v1/projects/q/locations/x/publishers/google",
            "gemini-3-pro",
            {},
            "http://127.0.0.1:9/v1/projects/q/locations/x/publishers/google/models/gemini-3-pro",
        ),
    ],
)
def test_vertex_ai_s_place(base: str | None, model: str, options: dict[str, str], url: str) -> None:
    target = gemini(model, "vertex", **options)
    if base is not None:
        origin, path = split_url(base)
        moved = msgspec.structs.replace(target.deployment, origin=origin, path=path)
        target = target._replace(deployment=moved)
    request = encoded({"messages": HELLO}, target)
    assert f"{request.origin}{request.path}" == url + ":generateContent"


# --- messages -----------------------------------------------------------------------------------


def test_instructions_stand_apart_from_the_talk() -> None:
    body = sent(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": [{"type": "text", "text": "In Greek."}]},
                {"role": "user", "content": "Hello"},
                {"role": "assistant", "content": "Γεια"},
                {"role": "user", "content": "Again"},
            ]
        },
        gemini(),
    )
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In Greek."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Hello"}]},
        {"role": "model", "parts": [{"text": "Γεια"}]},
        {"role": "user", "parts": [{"text": "Again"}]},
    ]


def test_a_prompt_is_a_user_s_message() -> None:
    request = encoded({"prompt": "Hello"}, gemini())
    assert json.loads(request.body)["contents"] == [{"role": "user", "parts": [{"text": "Hello"}]}]


def test_an_answer_that_has_begun_comes_last() -> None:
    made = contents([*HELLO, {"role": "assistant", "content": "Well,", "prefix": True}])
    assert made[-1] == {"role": "model", "parts": [{"text": "Well,"}]}


FILES = "https://generativelanguage.googleapis.com/v1beta/files/abc"


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
            {"inlineData": {"mimeType": "image/png", "data": PNG}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://a.example/b/C.JPG?x=y.png"}},
            {
                "fileData": {
                    "fileUri": "https://a.example/b/C.JPG?x=y.png",
                    "mimeType": "image/jpeg",
                }
            },
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://a.example/b", "detail": "auto"}},
            {"fileData": {"fileUri": "https://a.example/b"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "gs://b/v.mp4"}},
            {"fileData": {"fileUri": "gs://b/v.mp4", "mimeType": "video/mp4"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}},
        ),
        (
            {
                "type": "file",
                "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="},
            },
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "JVBERg=="}},
            {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}},
        ),
        ({"type": "file", "file": {"file_id": "files/abc"}}, {"fileData": {"fileUri": FILES}}),
        (
            {"type": "file", "file": {"file_id": FILES, "format": "audio/mp3"}},
            {"fileData": {"fileUri": FILES, "mimeType": "audio/mp3"}},
        ),
    ],
)
def test_media(part: dict[str, Any], expected: dict[str, Any]) -> None:
    made = contents(user({"type": "text", "text": "Look:"}, part))
    assert made == [{"role": "user", "parts": [{"text": "Look:"}, expected]}]


def test_vertex_ai_is_told_a_file_s_name_and_wants_its_type() -> None:
    vertex = gemini(vendor="vertex", project="p")
    part = {"type": "file", "file": {"filename": "a.csv", "file_data": "data:text/csv;base64,YQ=="}}
    made = sent({"messages": user(part)}, vertex)["contents"][0]["parts"]
    assert made == [
        {"inlineData": {"mimeType": "text/csv", "data": "YQ==", "displayName": "a.csv"}}
    ]
    image = {"type": "image_url", "image_url": {"url": "https://a.example/b"}}
    assert refusal({"messages": user(image)}, vertex) == (
        "unsupported_field",
        "messages[0].content[0].image_url.url",
    )


def picture(detail: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": "gs://b/a.png", "detail": detail}}


def test_one_resolution_for_all_pictures() -> None:
    messages = user(picture("auto"), picture("low"), picture("low"))
    assert config({"messages": messages})["mediaResolution"] == "MEDIA_RESOLUTION_LOW"
    assert "mediaResolution" not in config({"messages": user(picture("auto"))})
    assert refusal({"messages": user(picture("low"), picture("high"))}, gemini()) == (
        "unsupported_field",
        "messages[0].content[1].image_url.detail",
    )


CALLS = [
    {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}},
    {"id": "b", "type": "function", "function": {"name": "f", "arguments": ""}},
]


def test_results_of_tools_are_one_turn_in_the_order_of_the_calls() -> None:
    made = contents(
        [
            *HELLO,
            {"role": "assistant", "content": None, "tool_calls": CALLS},
            {"role": "tool", "tool_call_id": "b", "content": "plain"},
            {"role": "tool", "tool_call_id": "a", "content": '{"sum": 3}'},
            {"role": "user", "content": "And?"},
        ]
    )
    assert made[1:] == [
        {
            "role": "model",
            "parts": [
                {"functionCall": {"name": "f", "args": {"x": 1}}},
                {"functionCall": {"name": "f", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "f", "response": {"sum": 3}}},
                {"functionResponse": {"name": "f", "response": {"result": "plain"}}},
            ],
        },
        {"role": "user", "parts": [{"text": "And?"}]},
    ]


def test_models_that_give_ids_get_them_back_and_foreign_calls_pass_without_a_signature() -> None:
    made = contents(
        [
            *HELLO,
            {"role": "assistant", "content": "On it.", "tool_calls": CALLS},
            {"role": "tool", "tool_call_id": "a", "content": "1"},
            {"role": "tool", "tool_call_id": "b", "content": "[2]"},
        ],
        "gemini-3-flash-preview",
    )
    assert made[1]["parts"] == [
        {"text": "On it."},
        {
            "functionCall": {"name": "f", "args": {"x": 1}, "id": "a"},
            "thoughtSignature": "skip_thought_signature_validator",
        },
        {"functionCall": {"name": "f", "args": {}, "id": "b"}},
    ]
    assert [part["functionResponse"]["id"] for part in made[2]["parts"]] == ["a", "b"]
    assert made[2]["parts"][1]["functionResponse"]["response"] == {"result": "[2]"}


def test_a_result_may_be_a_picture_where_the_model_takes_one() -> None:
    result = [
        {"type": "text", "text": "The chart:"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
    ]
    messages = [
        *HELLO,
        {"role": "assistant", "tool_calls": CALLS[:1]},
        {"role": "tool", "tool_call_id": "a", "content": result},
    ]
    made = contents(messages, "gemini-3-pro-preview")[2]["parts"][0]["functionResponse"]
    assert made == {
        "id": "a",
        "name": "f",
        "response": {"result": "The chart:"},
        "parts": [{"inlineData": {"mimeType": "image/png", "data": PNG}}],
    }
    assert refusal({"messages": messages}, gemini()) == (
        "unsupported_field",
        "messages[2].content[1]",
    )


# --- parameters ---------------------------------------------------------------------------------


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
def test_parameters(body: dict[str, Any], expected: dict[str, Any]) -> None:
    assert config(body) == {"maxOutputTokens": 1000, **expected}


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
        ("gemini-2.0-flash", {"reasoning_effort": "none"}, None),
    ],
)
def test_thinking(model: str, body: dict[str, Any], expected: Any) -> None:
    if isinstance(expected, tuple):
        name = "thinkingLevel" if isinstance(expected[0], str) else "thinkingBudget"
        expected = {name: expected[0], "includeThoughts": expected[1]}
    assert config(body, model).get("thinkingConfig") == expected


def test_safety_settings_pass() -> None:
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    body = sent({"messages": HELLO, "safety_settings": settings}, gemini())
    assert body["safetySettings"] == settings


def test_google_s_search() -> None:
    body = sent({"messages": HELLO, "web_search_options": {}}, gemini())
    assert body["tools"] == [{"googleSearch": {}}]


# --- refusals -----------------------------------------------------------------------------------

TOOLS = [{"type": "function", "function": {"name": "f"}}]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"verbosity": "low"}, "verbosity"),
        ({"store": True}, "store"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key"),
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
        ({"top_a": 1}, "top_a"),
        ({"messages": [{"role": "system", "content": "x"}]}, "messages"),
        ({"messages": [{**HELLO[0], "name": "Ann"}]}, "messages[0].name"),
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
def test_the_choice_among_tools(choice: Any, expected: Any) -> None:
    body = tooled({} if choice is None else {"tool_choice": choice})
    config = body.get("toolConfig", {}).get("functionCallingConfig")
    assert config == expected


def test_a_strict_tool_has_its_schema_enforced() -> None:
    body = tooled({}, strict=True, parameters={"type": "object", "properties": {}})
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_an_answer_in_the_form_of_a_schema() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "A", "schema": schema, "strict": True}}
    assert config({"response_format": form}) == {
        "maxOutputTokens": 1000,
        "responseMimeType": "application/json",
        "responseJsonSchema": schema,
    }


def test_a_schema_of_the_answer_that_cannot_be_enforced_is_refused_by_its_path() -> None:
    schema = {"type": "object", "properties": {"a": {"not": {"type": "string"}}}}
    form = {"type": "json_schema", "json_schema": {"name": "A", "schema": schema}}
    assert refusal({"response_format": form}, gemini()) == (
        "unsupported_field",
        "response_format.json_schema.schema.properties.a.not",
    )


def test_the_vendors_rows() -> None:
    rows: list[Vendor] = [VENDORS["gemini"], VENDORS["vertex"]]
    assert [(row.dialect, row.auth) for row in rows] == [
        ("gemini", "x-goog-api-key"),
        ("vertex", "google"),
    ]
