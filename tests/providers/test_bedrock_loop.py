"""An agent's loop over Converse: what the model said goes back to it as it was."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from callgate.core.http import HttpResponse
from callgate.core.present import response_json
from callgate.core.validate import parse_chat
from callgate.providers.bedrock.dialect import Bedrock
from eventframes import event

from .converse_model import mistakes
from .samples import target_of

DIALECT = Bedrock()
TARGET = target_of("bedrock", upstream_model="us.anthropic.claude-sonnet-4-6")
TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("weather", "clock")
]
Turn = list[dict[str, Any]]


def thought(text: str) -> dict[str, Any]:
    return {"reasoningContent": {"reasoningText": {"text": text, "signature": f"sig of {text}"}}}


def hidden(data: str) -> dict[str, Any]:
    return {"reasoningContent": {"redactedContent": base64.b64encode(data.encode()).decode()}}


def call(id_: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": id_, "name": name, "input": given}}


TURNS: list[tuple[Turn, str]] = [
    (
        [
            thought("I need both."),
            hidden("EuQFCkgI"),
            {"text": "Let me look."},
            call("t1", "weather", {"city": "Rom"}),
            call("t2", "clock", {}),
        ],
        "tool_use",
    ),
    (
        [
            thought("Also Oslo."),
            call("t3", "weather", {"city": "Oslo"}),
            thought("And its time."),
            call("t4", "clock", {"zone": "CET"}),
        ],
        "tool_use",
    ),
    ([{"text": "Sun in Rom."}, thought("Enough."), {"text": " Rain in Oslo."}], "end_turn"),
]


def whole(turn: Turn, stop: str) -> dict[str, Any]:
    body = {
        "output": {"message": {"role": "assistant", "content": turn}},
        "stopReason": stop,
        "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2},
    }
    answer = DIALECT.decode(HttpResponse(200, {}, json.dumps(body).encode()), TARGET)
    data = response_json(
        answer, request_id="r", model="m", parameters={}, llm_status=200, response_time_ns=1
    )
    message: dict[str, Any] = json.loads(data)["choices"][0]["message"]
    return message


def frames(turn: Turn, stop: str) -> bytes:
    out = event("messageStart", {"role": "assistant"})
    for index, block in enumerate(turn):
        at = {"contentBlockIndex": index}
        pieces: list[dict[str, Any]] = []
        if "text" in block:
            pieces = [{"text": block["text"][:3]}, {"text": block["text"][3:]}]
        elif "toolUse" in block:
            head = {k: v for k, v in block["toolUse"].items() if k != "input"}
            out += event("contentBlockStart", {**at, "start": {"toolUse": head}})
            told = json.dumps(block["toolUse"]["input"]) if block["toolUse"]["input"] else ""
            pieces = [{"toolUse": {"input": told[:4]}}, {"toolUse": {"input": told[4:]}}]
        else:
            said = block["reasoningContent"]
            if "redactedContent" in said:
                pieces = [{"reasoningContent": said}]
            else:
                text, sign = said["reasoningText"]["text"], said["reasoningText"]["signature"]
                pieces = [
                    {"reasoningContent": {"text": text[:2]}},
                    {"reasoningContent": {"text": text[2:]}},
                    {"reasoningContent": {"signature": sign}},
                ]
        for piece in pieces:
            out += event("contentBlockDelta", {**at, "delta": piece})
        out += event("contentBlockStop", at)
    out += event("messageStop", {"stopReason": stop})
    return out + event("metadata", {"usage": {"inputTokens": 1, "outputTokens": 1}})


def streamed(turn: Turn, stop: str) -> dict[str, Any]:
    decoder = DIALECT.decoder(TARGET)
    data = frames(turn, stop)
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    for at in range(0, len(data), 11):
        for chunk in decoder.feed(data[at : at + 11]):
            delta = chunk.choices[0]["delta"]
            message["content"] += delta.get("content") or ""
            if "reasoning_content" in delta:
                known = message.setdefault("reasoning_content", "")
                message["reasoning_content"] = known + delta["reasoning_content"]
            message.setdefault("reasoning_details", []).extend(delta.get("reasoning_details", ()))
            for one in delta.get("tool_calls", ()):
                calls = message.setdefault("tool_calls", [])
                if one["index"] == len(calls):
                    calls.append(json.loads(json.dumps(one)))
                else:
                    told = one["function"]["arguments"]
                    calls[one["index"]]["function"]["arguments"] += told
    decoder.close()
    return message


@pytest.mark.parametrize("answer", [whole, streamed])
def test_three_turns_with_parallel_tools_and_reasoning_come_back_as_they_were(answer: Any) -> None:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Weather and time?"}]
    for turn, stop in TURNS:
        message = answer(turn, stop)
        messages.append(message)
        messages += [
            {"role": "tool", "tool_call_id": one["id"], "content": f"result of {one['id']}"}
            for one in message.get("tool_calls", ())
        ]
    messages.append({"role": "user", "content": "Thanks."})
    body = {"model": "m", "tools": TOOLS, "reasoning_effort": "high", "messages": messages}
    sent = DIALECT.encode(parse_chat(json.dumps(body).encode()), TARGET)
    assert mistakes(sent.body) == ""
    turns = json.loads(sent.body)["messages"]
    assert [turn["role"] for turn in turns] == ["user", "assistant"] * 3 + ["user"]
    for (said, _), back in zip(TURNS, turns[1::2], strict=True):
        assert back["content"] == said
    results = [
        (block["toolResult"]["toolUseId"], block["toolResult"]["content"])
        for turn in turns[2:5:2]
        for block in turn["content"]
    ]
    assert results == [(f"t{n}", [{"text": f"result of t{n}"}]) for n in (1, 2, 3, 4)]
