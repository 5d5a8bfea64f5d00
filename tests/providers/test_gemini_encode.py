"""Requests in Gemini's words."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from callgate.core.http import split_url

from .gemini_asking import HELLO, PNG, config, contents, gemini, refusal, user
from .gemini_types import encoded, sent
from .samples import SECRET


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
def test_vertex_is_asked_where_it_serves_the_model(
    base: str | None, model: str, options: dict[str, str], url: str
) -> None:
    target = gemini(model, "vertex", **options)
    if base is not None:
        origin, path = split_url(base)
        moved = replace(target.deployment, origin=origin, path=path)
        target = target.replace(deployment=moved)
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
                {"role": "assistant", "content": [{"type": "refusal", "refusal": "Οχι"}]},
                {"role": "user", "content": "Again"},
            ]
        },
        gemini(),
    )
    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "In Greek."}]}
    assert body["contents"] == [
        {"role": "user", "parts": [{"text": "Hello"}]},
        {"role": "model", "parts": [{"text": "Οχι"}]},
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
            {"type": "image_url", "image_url": "gs://b/p.png"},
            {"fileData": {"fileUri": "gs://b/p.png", "mimeType": "image/png"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "data:audio/aac;base64,UklGRg=="}},
            {"inlineData": {"mimeType": "audio/aac", "data": "UklGRg=="}},
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
def test_media_become_parts(part: dict[str, Any], expected: dict[str, Any]) -> None:
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


@pytest.mark.parametrize("model", ["gemini-2.5-flash", "gemini-3-flash-preview"])
def test_calls_that_share_an_id_keep_their_own_names_and_results(model: str) -> None:
    named = [
        {"id": "a", "type": "function", "function": {"name": name, "arguments": "{}"}}
        for name in ("f", "g")
    ]
    results = [{"role": "tool", "tool_call_id": "a", "content": text} for text in ("1", "2")]
    turns = [{"role": "assistant", "tool_calls": named}, *results]
    made = contents([*HELLO, *turns, *turns], model)
    assert [turn["role"] for turn in made] == ["user", "model", "user", "model", "user"]
    ids = []
    for called, answered in ((made[1], made[2]), (made[3], made[4])):
        calls = [part["functionCall"] for part in called["parts"]]
        told = [part["functionResponse"] for part in answered["parts"]]
        assert [call["name"] for call in calls] == ["f", "g"] == [one["name"] for one in told]
        assert [one["response"] for one in told] == [{"result": "1"}, {"result": "2"}]
        assert [one.get("id") for one in calls] == [one.get("id") for one in told]
        ids += [one["id"] for one in calls if "id" in one]
    assert len(ids) == len(set(ids)) == (4 if model.startswith("gemini-3") else 0)


def test_a_schema_as_a_result_is_told_as_text() -> None:
    schema = '{"properties": {"at": {"$ref": "#/$defs/At"}}, "$defs": {"At": {"type": "string"}}}'
    turns = [{"role": "assistant", "tool_calls": CALLS[:1]}]
    made = contents([*HELLO, *turns, {"role": "tool", "tool_call_id": "a", "content": schema}])
    assert made[2]["parts"][0]["functionResponse"]["response"] == {"result": schema}


def test_texts_without_a_word_are_left_out() -> None:
    nothing, told = {"type": "text", "text": ""}, {"type": "text", "text": "Hi"}
    quiet = [{"role": "system", "content": ""}, {"role": "user", "content": [nothing, told]}]
    body = sent({"messages": quiet}, gemini())
    assert "systemInstruction" not in body
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hi"}]}]
    assert contents(user(nothing, nothing)) == [{"role": "user", "parts": [{"text": ""}]}]


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
