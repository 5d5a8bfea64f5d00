"""Arguments of tools that arrive broken are repaired, whatever the dialect, streamed and not.

Anthropic, Bedrock and Gemini give whole arguments as JSON values, which cannot be broken on the
wire; in streams Anthropic and Bedrock give them as text, as the others do in both.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from callgate.core.accumulator import Accumulator
from callgate.core.http import HttpResponse
from callgate.core.response import ChatResponse
from callgate.core.steps import RefusedError, take
from callgate.providers.registry import dialect
from eventframes import event as frame

from .samples import target_of

BROKEN = "{'city': 'Paris', days: 3,} // so"
CUT = '{"city": "Par'
DOUBLE = json.dumps('{"city": "Paris", "days": 3}')
MENDED = '{"city": "Paris", "days": 3}'
REPAIR = [{"type": "json-repair"}]


def sse(*events: dict[str, Any]) -> bytes:
    return b"".join(
        f"event: {one.get('type', 'message')}\ndata: {json.dumps(one)}\n\n".encode()
        for one in events
    )


def pieces(text: str) -> list[str]:
    return [text[at : at + 5] for at in range(0, len(text), 5)]


def openai_whole(text: str) -> bytes:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": text}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    return json.dumps({"id": "x", "created": 1, "model": "m", "choices": [choice]}).encode()


def openai_stream(text: str) -> bytes:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"id": "x", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    function = {"name": "f", "arguments": ""}
    begun = {"index": 0, "id": "a", "type": "function", "function": function}
    return (
        sse(
            chunk({"role": "assistant", "tool_calls": [begun]}),
            *[
                chunk({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]})
                for piece in pieces(text)
            ],
            chunk({}, "tool_calls"),
        )
        + b"data: [DONE]\n\n"
    )


def anthropic_stream(text: str) -> bytes:
    usage = {"input_tokens": 1, "output_tokens": 1}
    block = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
    return sse(
        {"type": "message_start",
         "message": {"id": "m", "model": "c", "content": [], "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *[
            {"type": "content_block_delta", "index": 0,
             "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in pieces(text)
        ],
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"},
         "usage": {"output_tokens": 2}},
        {"type": "message_stop"},
    )  # fmt: skip


def bedrock_stream(text: str) -> bytes:
    start = {"toolUse": {"toolUseId": "a", "name": "f"}}
    return b"".join(
        [
            frame("messageStart", {"role": "assistant"}),
            frame("contentBlockStart", {"contentBlockIndex": 0, "start": start}),
            *[
                frame("contentBlockDelta",
                      {"contentBlockIndex": 0, "delta": {"toolUse": {"input": piece}}})
                for piece in pieces(text)
            ],
            frame("contentBlockStop", {"contentBlockIndex": 0}),
            frame("messageStop", {"stopReason": "tool_use"}),
            frame("metadata",
                  {"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}}),
        ]
    )  # fmt: skip


def cohere_whole(text: str) -> bytes:
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": text}}
    message = {"role": "assistant", "tool_calls": [call]}
    usage = {"tokens": {"input_tokens": 1, "output_tokens": 1}}
    return json.dumps(
        {"id": "x", "finish_reason": "TOOL_CALL", "message": message, "usage": usage}
    ).encode()


def cohere_stream(text: str) -> bytes:
    def call(kind: str, **given: Any) -> dict[str, Any]:
        return {
            "type": f"tool-call-{kind}",
            "index": 0,
            "delta": {"message": {"tool_calls": given}},
        }

    function = {"name": "f", "arguments": ""}
    return sse(
        {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant"}}},
        call("start", id="a", type="function", function=function),
        *[call("delta", function={"arguments": piece}) for piece in pieces(text)],
        {"type": "tool-call-end", "index": 0},
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}},
    )


def whole(vendor: str, body: bytes) -> ChatResponse:
    target = target_of(vendor)
    response = HttpResponse(200, {"content-type": "application/json"}, body)
    return dialect(target.deployment.vendor.dialect).decode(response, target)


def gathered(vendor: str, body: bytes) -> ChatResponse:
    target = target_of(vendor)
    decoder = dialect(target.deployment.vendor.dialect).decoder(target)
    accumulator = Accumulator()
    for at in range(0, len(body), 64):
        accumulator.take(decoder.feed(body[at : at + 64]))
    accumulator.take(decoder.close())
    return accumulator.answer()


WAYS: Sequence[tuple[str, Any, Any]] = (
    ("openai", whole, openai_whole),
    ("openai", gathered, openai_stream),
    ("anthropic", gathered, anthropic_stream),
    ("bedrock", gathered, bedrock_stream),
    ("cohere", whole, cohere_whole),
    ("cohere", gathered, cohere_stream),
)
IDS = [f"{vendor} {read.__name__}" for vendor, read, _ in WAYS]


def arguments(answer: ChatResponse) -> str:
    (call,) = answer.choices[0]["message"]["tool_calls"]
    assert (call["id"], call["type"], call["function"]["name"]) == ("a", "function", "f")
    return str(call["function"]["arguments"])


@pytest.mark.parametrize(("vendor", "read", "write"), WAYS, ids=IDS)
@pytest.mark.parametrize("text", [BROKEN, DOUBLE])
def test_they_are_repaired(vendor: str, read: Any, write: Any, text: str) -> None:
    answer = read(vendor, write(text))
    assert arguments(answer) == text
    (told,) = take(REPAIR, answer)
    assert told.where == "choices[0].message.tool_calls[0].function.arguments"
    assert arguments(answer) == MENDED
    assert answer.choices[0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(("vendor", "read", "write"), WAYS, ids=IDS)
def test_or_refused(vendor: str, read: Any, write: Any) -> None:
    with pytest.raises(RefusedError) as refused:
        take(REPAIR, read(vendor, write(CUT)))
    assert refused.value.text == CUT
    assert "it ends inside a string" in refused.value.error.message


ANTHROPIC = {
    "id": "m", "model": "c", "role": "assistant", "stop_reason": "tool_use",
    "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {"n": "1,}"}}],
    "usage": {"input_tokens": 1, "output_tokens": 1},
}  # fmt: skip
BEDROCK = {
    "output": {"message": {"role": "assistant", "content": [
        {"toolUse": {"toolUseId": "a", "name": "f", "input": {"n": "1,}"}}}]}},
    "stopReason": "tool_use", "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
}  # fmt: skip
GEMINI = {
    "candidates": [{"content": {"role": "model", "parts": [
        {"functionCall": {"id": "a", "name": "f", "args": {"n": "1,}"}}}]},
        "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2},
}  # fmt: skip


@pytest.mark.parametrize(
    ("vendor", "read", "body"),
    [
        ("anthropic", whole, json.dumps(ANTHROPIC).encode()),
        ("bedrock", whole, json.dumps(BEDROCK).encode()),
        ("gemini", whole, json.dumps(GEMINI).encode()),
        ("gemini", gathered, sse(GEMINI)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_comes_as_a_value_is_sound_already(vendor: str, read: Any, body: bytes) -> None:
    answer = read(vendor, body)
    before = arguments(answer)
    assert take(REPAIR, answer) == []
    assert arguments(answer) == before
    assert json.loads(before) == {"n": "1,}"}
