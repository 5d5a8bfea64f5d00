"""An agent's loop of three turns through Gemini: what comes out goes back in."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse
from callgate.providers.registry import dialect

from .gemini_types import sent
from .samples import target_of

GEMINI = dialect("gemini")
MODEL = "gemini-3-flash-preview"
PNG = "iVBORw0KGgo="

TURNS: list[list[dict[str, Any]]] = [
    [
        {"text": "Two places to ask.", "thought": True},
        {"text": "Let me "},
        {"text": "look.", "thoughtSignature": "c2lnLXRleHQ="},
        {
            "functionCall": {"name": "weather", "args": {"city": "Zürich"}, "id": "fc-1"},
            "thoughtSignature": "c2lnLWNhbGw=",
        },
        {"functionCall": {"name": "weather", "args": {"city": "Oslo"}, "id": "fc-2"}},
    ],
    [
        {
            "text": "Compare them.",
            "thought": True,
            "thoughtSignature": "c2lnLXRob3VnaHQ=",
        },
        {
            "functionCall": {"name": "compare", "args": {"a": [1, 2.5], "b": None}, "id": "fc-3"},
            "thoughtSignature": "c2lnLTM=",
        },
    ],
    [
        {"text": "Oslo is colder 🥶."},
        {"text": "", "thoughtSignature": "c2lnLWVuZA=="},
    ],
]
RESULTS = [
    [("fc-1", '{"celsius": 21}'), ("fc-2", "too cold")],
    [("fc-3", '{"colder": "Oslo"}')],
]


def reply(parts: list[dict[str, Any]]) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
    return {"candidates": [candidate], "responseId": "r"}


def whole(parts: list[dict[str, Any]]) -> dict[str, Any]:
    data = json.dumps(reply(parts)).encode()
    answer = GEMINI.decode(HttpResponse(200, {}, data), target_of("gemini"))
    message: dict[str, Any] = answer.choices[0]["message"]
    return message


def streamed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """The message as a client puts it together, one part to an event."""
    decoder = GEMINI.decoder(target_of("gemini"))
    chunks: list[Chunk] = []
    for part in parts:
        one = {"candidates": [{"content": {"parts": [part]}}], "responseId": "r"}
        chunks += decoder.feed(b"data: " + json.dumps(one).encode() + b"\r\n\r\n")
    end = {"candidates": [{"content": {}, "finishReason": "STOP"}], "responseId": "r"}
    chunks += decoder.feed(b"data: " + json.dumps(end).encode() + b"\r\n\r\n")
    chunks += decoder.close()
    message: dict[str, Any] = {}
    for chunk in chunks:
        for choice in chunk.choices:
            for name, value in choice["delta"].items():
                if isinstance(value, list):
                    message.setdefault(name, []).extend(value)
                elif name == "role":
                    message[name] = value
                else:
                    message[name] = message.get(name, "") + value
    for call in message.get("tool_calls", []):
        call.pop("index")
    return message


@pytest.mark.parametrize("read", [whole, streamed])
def test_three_turns_come_back_as_they_were(read: Any) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Where is it colder?"}]
    expected: list[dict[str, Any]] = [{"role": "user", "parts": [{"text": "Where is it colder?"}]}]
    for parts, results in zip(TURNS, [*RESULTS, []], strict=True):
        message = read(parts)
        messages.append(message)
        expected.append({"role": "model", "parts": _settled(parts)})
        for id_, text in reversed(results):  # tools finish in any order
            messages.append({"role": "tool", "tool_call_id": id_, "content": text})
        if results:
            expected.append({"role": "user", "parts": [_result(*one) for one in results]})
    messages.append({"role": "user", "content": "Thanks."})
    expected.append({"role": "user", "parts": [{"text": "Thanks."}]})
    body = sent({"messages": messages}, target_of("gemini", upstream_model=MODEL))
    assert body["contents"] == expected


def _settled(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The parts as they were; neighbouring texts without a signature may have become one."""
    return [dict(part) for part in parts]


def _result(id_: str, text: str) -> dict[str, Any]:
    name = "compare" if id_ == "fc-3" else "weather"
    response = json.loads(text) if text.startswith("{") else {"result": text}
    return {"functionResponse": {"name": name, "response": response, "id": id_}}


def test_ids_are_made_unique_where_the_model_gives_none() -> None:
    parts = [{"functionCall": {"name": "f"}}, {"functionCall": {"name": "f"}}]
    message = whole(parts)
    assert [call["id"] for call in message["tool_calls"]] == ["call_r_0", "call_r_1"]
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ["{}", "{}"]
    messages = [
        {"role": "user", "content": "x"},
        message,
        {"role": "tool", "tool_call_id": "call_r_1", "content": "second"},
        {"role": "tool", "tool_call_id": "call_r_0", "content": "first"},
    ]
    old = target_of("gemini", upstream_model="gemini-2.5-flash")
    results = sent({"messages": messages}, old)["contents"][2]["parts"]
    told = [part["functionResponse"] for part in results]
    assert [one["response"]["result"] for one in told] == ["first", "second"]
    assert all("id" not in one for one in told)


def test_a_picture_goes_back_with_its_signature() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": PNG}, "thoughtSignature": "c2ln"}
    message = whole([{"text": "Here:"}, part])
    assert message["images"][0]["image_url"]["url"] == f"data:image/png;base64,{PNG}"
    messages = [
        {"role": "user", "content": "Draw."},
        message,
        {"role": "user", "content": "Bigger."},
    ]
    body = sent({"messages": messages}, target_of("gemini", upstream_model=MODEL))
    assert body["contents"][1]["parts"] == [{"text": "Here:"}, part]


def test_time_for_many_pictures_is_in_proportion() -> None:
    """All messages were read anew for each of them."""
    turns: list[dict[str, Any]] = [{"role": "user", "content": "x" * 1_000_000}]
    for _ in range(900):
        turns += [{"role": "assistant", "content": "y", "images": []}]
    started = time.process_time()
    sent({"messages": turns}, target_of("gemini", upstream_model=MODEL))
    assert time.process_time() - started < 1.5


def test_signatures_stay_with_a_text_that_was_changed() -> None:
    message = whole(TURNS[0][:3])
    message["content"] = "Look."
    body = sent(
        {"messages": [{"role": "user", "content": "x"}, message]},
        target_of("gemini", upstream_model=MODEL),
    )
    assert body["contents"][1]["parts"][1:] == [
        {"text": "Look."},
        {"text": "", "thoughtSignature": "c2lnLXRleHQ="},
    ]


def test_openrouter_s_signatures_are_understood_and_other_models_left_out() -> None:
    message = {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "a", "type": "function", "function": {"name": "f"}}],
        "reasoning_details": [
            {
                "type": "reasoning.encrypted",
                "format": "google-gemini-v1",
                "id": "a",
                "data": "c2ln",
            },
            {"type": "thinking", "thinking": "…", "signature": "anthropic's"},
        ],
    }
    body = sent(
        {"messages": [{"role": "user", "content": "x"}, message]},
        target_of("gemini", upstream_model=MODEL),
    )
    assert body["contents"][1]["parts"] == [
        {"functionCall": {"name": "f", "args": {}, "id": "a"}, "thoughtSignature": "c2ln"}
    ]
