"""OpenAI's requests as Cohere's."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.http import HttpResponse
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.cohere.dialect import Cohere

from .odd_requests import DETAILS, FIELDS, PARTS
from .samples import target_of

TARGET = target_of("cohere", upstream_model="command-a-03-2025")
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}},
}
CLOCK = {"type": "function", "function": {"name": "clock", "description": "Tells the time"}}
ALLOWED = {
    "type": "allowed_tools",
    "allowed_tools": {"mode": "auto", "tools": [{"type": "custom", "custom": {"name": "c"}}]},
}
PLACE = "messages[0].content[0]."


def encoded(body: dict[str, Any]) -> dict[str, Any]:
    given = {"model": "asked", "messages": HELLO, **body}
    request = Cohere().encode(parse_chat(json.dumps(given).encode()), TARGET)
    assert request.path == "/v2/chat"
    sent: dict[str, Any] = json.loads(request.body)
    return sent


def said(**turn: Any) -> dict[str, Any]:
    return {"messages": [*HELLO, {"role": "assistant", "content": "Hm", **turn}]}


def asked(part: dict[str, Any]) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": [part]}]}


def refused(body: dict[str, Any]) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        encoded(body)
    assert caught.value.kind.type in ("unsupported_field", "invalid_field")
    return caught.value


def test_parameters_have_coheres_names() -> None:
    sent = encoded(
        {
            "max_completion_tokens": 9, "temperature": 0.3, "top_p": 0.8, "top_k": 5, "seed": 7,
            "frequency_penalty": 0.1, "presence_penalty": 0.2, "stop": "x", "logprobs": True,
            "stream": True,
        }
    )  # fmt: skip
    assert sent == {
        "model": "command-a-03-2025", "messages": HELLO, "stream": True, "max_tokens": 9,
        "temperature": 0.3, "p": 0.8, "k": 5, "seed": 7, "frequency_penalty": 0.1,
        "presence_penalty": 0.2, "stop_sequences": ["x"], "logprobs": True,
    }  # fmt: skip


def test_messages_become_coheres() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": ""}}
    image = {"type": "image_url", "image_url": {"url": "https://a.example/b.png", "detail": "low"}}
    sent = encoded(
        {
            "messages": [
                {"role": "developer", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "What?"}, image]},
                {
                    "role": "assistant",
                    "content": "I will look.",
                    "reasoning_content": "Hm.",
                    "tool_calls": [call],
                },
                {"role": "tool", "tool_call_id": "a", "content": "sun", "name": "weather"},
                {"role": "assistant", "content": "Sun.", "reasoning_content": "Easy."},
            ]
        }
    )
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What?"}, image]},
        {
            "role": "assistant",
            "tool_plan": "I will look.",
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
            ],
            "content": [{"type": "thinking", "thinking": "Hm."}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "sun"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Easy."},
                {"type": "text", "text": "Sun."},
            ],
        },
    ]


@pytest.mark.parametrize(
    ("choice", "sent", "tools"),
    [
        ("auto", None, ["weather", "clock"]),
        ("none", "NONE", ["weather", "clock"]),
        ("required", "REQUIRED", ["weather", "clock"]),
        ({"type": "function", "function": {"name": "clock"}}, "REQUIRED", ["clock"]),
    ],
)
def test_a_choice_of_tool_is_told(choice: Any, sent: Any, tools: list[str]) -> None:
    told = encoded({"tools": [WEATHER, CLOCK], "tool_choice": choice})
    assert told.get("tool_choice") == sent
    assert [tool["function"]["name"] for tool in told["tools"]] == tools


def test_a_refusal_of_an_earlier_answer_is_its_text() -> None:
    sent = encoded(said(content=None, refusal="I will not."))["messages"][1]
    assert sent["content"] == [{"type": "text", "text": "I will not."}]


def test_strictness_is_for_all_tools() -> None:
    strict = {**WEATHER, "function": {**WEATHER["function"], "strict": True}}  # type: ignore[dict-item]
    assert encoded({"tools": [strict]})["strict_tools"] is True
    assert "strict" not in encoded({"tools": [strict]})["tools"][0]["function"]


@pytest.mark.parametrize(
    ("given", "thinking", "limit"),
    [
        ({"reasoning_effort": "none"}, {"type": "disabled"}, 1000),
        ({"reasoning_effort": "low"}, {"type": "enabled", "token_budget": 2048}, 3048),
        ({"reasoning": {"max_tokens": 50}}, {"type": "enabled", "token_budget": 50}, 1050),
        ({"reasoning": {"enabled": True}}, {"type": "enabled", "token_budget": 16_384}, 17_384),
        ({"reasoning": {"enabled": False}}, {"type": "disabled"}, 1000),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 60}, "max_tokens": 100},
            {"type": "enabled", "token_budget": 60},
            100,
        ),
    ],
)
def test_reasoning_is_told_as_a_budget(
    given: dict[str, Any], thinking: dict[str, Any], limit: int
) -> None:
    sent = encoded(given)
    assert (sent["thinking"], sent["max_tokens"]) == (thinking, limit)


def test_each_attempt_encodes_from_the_same_original() -> None:
    asked = {"thinking": {"type": "enabled", "budget_tokens": 600}, "tools": [CLOCK]}
    request = parse_chat(json.dumps({"model": "asked", "messages": HELLO, **asked}).encode())
    first, second = (Cohere().encode(request, TARGET).body for _ in range(2))
    assert first == second
    sent = json.loads(first)
    assert sent["thinking"] == {"type": "enabled", "token_budget": 600}
    assert sent["tools"][0]["function"] == {
        "name": "clock", "description": "Tells the time",
        "parameters": {"type": "object", "properties": {}},
    }  # fmt: skip


def test_room_for_thoughts_is_at_most_the_models_largest_output() -> None:
    body = {"model": "asked", "messages": HELLO, "reasoning_effort": "high"}
    request = parse_chat(json.dumps(body).encode())
    for most, limit in ((4000, 4000), (0, 17384)):
        target = TARGET.replace(model=replace(TARGET.model, max_output_tokens=most))
        assert json.loads(Cohere().encode(request, target).body)["max_tokens"] == limit


def test_a_form_is_told() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert encoded({"response_format": wanted})["response_format"] == {
        "type": "json_object",
        "json_schema": schema,
    }
    assert encoded({"response_format": {"type": "json_object"}})["response_format"] == {
        "type": "json_object"
    }


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"n": 2}, "n"),
        ({"top_logprobs": 3, "logprobs": True}, "top_logprobs"),
        ({"parallel_tool_calls": False}, "parallel_tool_calls"),
        ({"frequency_penalty": -1}, "frequency_penalty"),
        ({"top_p": 0}, "top_p"),
        ({"user": "u"}, "user"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"grammar": "x"}, "grammar"),
        ({"reasoning_effort": "xhigh"}, "reasoning_effort"),
        (
            {"messages": [{"role": "user", "content": "x", "cache_control": {"type": "e"}}]},
            "messages[0].cache_control",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "file", "file": {"file_data": "data:x"}}],
                    }
                ]
            },
            "messages[0].content[0].type",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "c"}}]}, "tools[0].type"),
        ({"tools": [{**WEATHER, "cache_control": {"type": "e"}}]}, "tools[0].cache_control"),
        ({"tools": [WEATHER], "tool_choice": ALLOWED}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [], "tool_choice": "any"}, "tool_choice"),
        ({"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.token_budget"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        (said(role="function", name="f"), "messages[1].role"),
        (said(prefix=True), "messages[1].prefix"),
        (
            said(tool_calls=[{"id": "a", "type": "custom", "custom": {"name": "c", "input": ""}}]),
            "messages[1].tool_calls[0].type",
        ),
        (
            asked({"type": "text", "text": "x", "cache_control": {"type": "e"}}),
            PLACE + "cache_control",
        ),
        (
            asked({"type": "image_url", "image_url": {"url": "u", "size": 1}}),
            PLACE + "image_url.size",
        ),
    ],
)
def test_what_has_no_place_is_refused_by_name(given: dict[str, Any], path: str) -> None:
    assert refused(given).param == path


def test_an_agents_loop_goes_back_as_it_came() -> None:
    calls = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": '{"a":1}'}}
        for n, name in enumerate(("weather", "clock"))
    ]
    thought = {"type": "thinking", "thinking": "Two at once."}
    turns = [
        {"role": "assistant", "tool_plan": "I will ask both.", "tool_calls": calls},
        {"role": "assistant", "content": [thought], "tool_calls": calls},
        {"role": "assistant", "content": [thought, {"type": "text", "text": "Sun at noon."}]},
    ]
    messages: list[dict[str, Any]] = [*HELLO]
    for turn in turns:
        reason = "TOOL_CALL" if "tool_calls" in turn else "COMPLETE"
        body = {"id": "i", "message": turn, "finish_reason": reason}
        answer = Cohere().decode(HttpResponse(200, {}, json.dumps(body).encode()), TARGET)
        message = answer.choices[0]["message"]
        messages.append(message)
        messages += [
            {"role": "tool", "tool_call_id": call["id"], "content": "ok"}
            for call in message.get("tool_calls", ())
        ]
    sent = encoded({"messages": messages, "tools": [WEATHER, CLOCK]})["messages"]
    assert [one for one in sent if one["role"] == "assistant"] == turns
    assert [one["tool_call_id"] for one in sent if one["role"] == "tool"] == ["c0", "c1"] * 2


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
        Cohere().encode(request, TARGET)
    except GatewayError as error:
        assert error.kind.status == 400  # noqa: PT017 - it may also be taken
