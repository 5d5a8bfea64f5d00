"""An agent's loop through the Anthropic dialect: what Claude said comes back to it as it was."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.http import HttpResponse
from callgate.core.target import Target
from callgate.providers.anthropic.dialect import Anthropic

from .anthropic_wire import sent
from .samples import target_of

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
    for name in ("weather", "time")
]
THOUGHT = {"type": "thinking", "thinking": "Both places at once.", "signature": "c2ln=="}
LATER = {"type": "thinking", "thinking": "", "signature": "bGF0ZXI="}
HIDDEN = {"type": "redacted_thinking", "data": "RW5j"}


def use(id_: str, name: str, city: str) -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": {"city": city}}


ANSWERS = [
    [THOUGHT, {"type": "text", "text": "Let me look."}, use("toolu_1", "weather", "Rome"),
     use("toolu_2", "time", "Rome")],
    [HIDDEN, use("toolu_3", "weather", "Oslo"), use("toolu_4", "time", "Oslo")],
    [{"type": "text", "text": "Rome "}, LATER, {"type": "text", "text": "is warmer."}],
]  # fmt: skip


def whole(content: list[dict[str, Any]], stop: str, target: Target) -> dict[str, Any]:
    body = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude",
        "content": content, "stop_reason": stop, "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 7},
    }  # fmt: skip
    answer = Anthropic().decode(HttpResponse(200, {}, json.dumps(body).encode()), target)
    message: dict[str, Any] = answer.choices[0]["message"]
    return message


def events(content: list[dict[str, Any]], stop: str) -> bytes:
    """The same answer as a stream, in small pieces."""
    usage = {"input_tokens": 5, "output_tokens": 1}
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": {"id": "msg_1", "model": "claude", "usage": usage}}
    ]
    for index, block in enumerate(content):
        begin = {**block}
        deltas: list[dict[str, Any]] = []
        if block["type"] == "text":
            begin["text"] = ""
            deltas = [{"type": "text_delta", "text": letter} for letter in block["text"]]
        elif block["type"] == "tool_use":
            begin["input"] = {}
            data = json.dumps(block["input"])
            deltas = [
                {"type": "input_json_delta", "partial_json": data[at : at + 3]}
                for at in range(0, len(data), 3)
            ]
        elif block["type"] == "thinking":
            begin |= {"thinking": "", "signature": ""}
            deltas = [{"type": "thinking_delta", "thinking": one} for one in block["thinking"]]
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        told.append({"type": "content_block_start", "index": index, "content_block": begin})
        told += [{"type": "content_block_delta", "index": index, "delta": one} for one in deltas]
        told.append({"type": "content_block_stop", "index": index})
    delta = {"stop_reason": stop, "stop_sequence": None}
    told.append({"type": "message_delta", "delta": delta, "usage": {"output_tokens": 7}})
    told.append({"type": "message_stop"})
    return b"".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n".encode() for one in told)


def streamed(content: list[dict[str, Any]], stop: str, target: Target) -> dict[str, Any]:
    decoder = Anthropic().decoder(target)
    message: dict[str, Any] = {"content": "", "tool_calls": []}
    for chunk in [*decoder.feed(events(content, stop)), *decoder.close()]:
        for choice in chunk.choices:
            for key, value in choice["delta"].items():
                if key != "tool_calls":
                    message[key] = message[key] + value if key in message else value
                    continue
                for one in value:
                    if one["index"] == len(message["tool_calls"]):
                        fields = {key: one[key] for key in ("id", "type")}
                        message["tool_calls"].append({**fields, "function": {**one["function"]}})
                    else:
                        function = message["tool_calls"][one["index"]]["function"]
                        function["arguments"] += one["function"]["arguments"]
    return {key: value for key, value in message.items() if value}


@pytest.mark.parametrize("answered", [whole, streamed])
def test_three_turns_with_two_parallel_tools_and_thoughts_end_with_the_same_transcript(
    answered: Any,
) -> None:
    target = target_of("anthropic", upstream_model="claude-sonnet-4-5")
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Where is it warmer?"}]
    transcript: list[dict[str, Any]] = [
        {"role": "user", "content": [{"type": "text", "text": "Where is it warmer?"}]}
    ]
    for content in ANSWERS:
        body = {"messages": messages, "tools": TOOLS, "reasoning_effort": "low"}
        assert sent(body)["messages"] == transcript
        calls = [block for block in content if block["type"] == "tool_use"]
        message = answered(content, "tool_use" if calls else "end_turn", target)
        assert [
            json.loads(one["function"]["arguments"]) for one in message.get("tool_calls", ())
        ] == [one["input"] for one in calls]
        results = [(call["id"], f"{call['name']} of {call['input']['city']}") for call in calls]
        messages.append(message)
        transcript.append({"role": "assistant", "content": content})
        if results:
            messages += [
                {"role": "tool", "tool_call_id": id_, "content": said} for id_, said in results
            ]
            transcript.append(
                {"role": "user", "content": [
                    {"type": "tool_result", "tool_use_id": id_, "content": said}
                    for id_, said in results
                ]}
            )  # fmt: skip
    messages.append({"role": "user", "content": "Thanks."})
    transcript.append({"role": "user", "content": [{"type": "text", "text": "Thanks."}]})
    assert sent({"messages": messages, "tools": TOOLS})["messages"] == transcript
