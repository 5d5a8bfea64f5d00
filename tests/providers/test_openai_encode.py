"""Requests in the OpenAI dialect."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from callgate.core.chat import ChatBody
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.providers.openai.dialect import OpenAI

from .samples import SECRET, request_of, target_of

MESSAGES = [{"role": "user", "content": "hi"}]


def sent(body: dict[str, Any], vendor: str = "openai") -> dict[str, Any]:
    return json.loads(OpenAI().encode(request_of(body), target_of(vendor)).body)


def test_the_request_goes_to_the_chat_completions_of_the_deployment(target: Target) -> None:
    request = OpenAI().encode(request_of({"model": "m", "messages": MESSAGES}), target)
    assert request.method == "POST"
    assert str(request.origin) == "https://api.openai.com"
    assert request.path == "/v1/chat/completions"
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "application/json",
    }


def test_a_stream_is_asked_for_as_one(target: Target) -> None:
    body = {"model": "m", "messages": MESSAGES, "stream": True}
    request = OpenAI().encode(request_of(body), target)
    assert dict(request.headers)["accept"] == "text/event-stream"


def test_no_credentials_are_in_it(target: Target) -> None:
    request = OpenAI().encode(request_of({"model": "m", "messages": MESSAGES}), target)
    assert SECRET not in str((request.headers, request.body))


@pytest.mark.parametrize(
    ("asked", "limit"),
    [
        ({}, 1000),
        ({"reasoning_effort": "none"}, 1000),
        ({"reasoning_effort": "low"}, 3048),
        ({"reasoning_effort": "low", "max_tokens": 50}, 50),
        ({"reasoning": {"effort": "high"}}, 17384),
        ({"reasoning": {"max_tokens": 2000}}, 3000),
        ({"reasoning": {"enabled": False}}, 1000),
        ({"thinking": {"type": "enabled"}}, 9192),
        ({"thinking": {"type": "disabled"}}, 1000),
    ],
)
def test_a_limit_that_nobody_set_leaves_room_for_thoughts_that_are_asked_for(
    asked: dict[str, Any], limit: int
) -> None:
    target = target_of()
    request = parse_chat(json.dumps({"model": "m", "messages": MESSAGES, **asked}).encode())
    encoded = OpenAI().encode(request, target)
    assert json.loads(encoded.body)["max_completion_tokens"] == limit
    small = replace(target.model, max_output_tokens=2000)
    encoded = OpenAI().encode(request, target.replace(model=small))
    assert json.loads(encoded.body)["max_completion_tokens"] == min(limit, 2000)


def test_the_callers_bytes_are_not_touched(target: Target) -> None:
    body = (
        b'{"model":"m", "messages": [ {"role":"user","content":"\\u00e9 \\ud83d\\ude00"} ],'
        b'"temperature":1.0, "seed": 12345678901234567890123, "x_new": {"a" : null}}'
    )
    out = OpenAI().encode(request_of(body), target).body
    for part in (
        b'[ {"role":"user","content":"\\u00e9 \\ud83d\\ude00"} ]',
        b'"temperature":1.0',
        b'"seed":12345678901234567890123',
        b'"x_new":{"a" : null}',
    ):
        assert part in out


def test_what_is_null_is_left_out_but_for_fields_that_nobody_knows() -> None:
    known = dict.fromkeys(ChatBody.__struct_fields__)
    body = sent({**known, "model": "m", "messages": MESSAGES, "x_new": None})
    assert body == {
        "model": "up-model", "messages": MESSAGES, "max_completion_tokens": 1000, "x_new": None,
    }  # fmt: skip
    assert sent({**known, "model": "m", "prompt": "hi"})["messages"] == MESSAGES


@pytest.mark.parametrize("vendor", ["openai", "deepseek", "mistral"])
def test_nulls_that_an_sdk_adds_to_an_earlier_answer_are_left_out(vendor: str) -> None:
    """As `model_dump()` of OpenAI's SDK writes a message."""
    added = dict.fromkeys(("refusal", "annotations", "audio", "function_call", "tool_calls"))
    kept = {} if vendor == "mistral" else dict.fromkeys(("refusal", "audio"))
    call = {"id": "abcdefghi", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    thought = {"reasoning_content": "hm"} if vendor == "deepseek" else {}
    history: list[dict[str, Any]] = [
        {"role": "user", "content": "null"},
        {"role": "assistant", "content": "x", **added},
        {"role": "user", "content": "y", "name": None},
        {"role": "assistant", "content": None, **added, **thought, "tool_calls": [call]},
        {"role": "tool", "content": "z", "tool_call_id": "abcdefghi"},
    ]
    request = parse_chat(json.dumps({"model": "m", "messages": history}).encode())
    told = json.loads(OpenAI().encode(request, target_of(vendor)).body)
    assert told["messages"] == [
        history[0],
        {"role": "assistant", "content": "x", **kept},
        history[2],
        {"role": "assistant", "content": None, **kept, **thought, "tool_calls": [call]},
        history[4],
    ]


def test_a_conversation_without_nulls_is_not_touched() -> None:
    turns = b'[ {"role":"user","content":"x"},{"role":"assistant","content":"y"}]'
    body = b'{"model":"m","messages":' + turns + b"}"
    out = OpenAI().encode(parse_chat(body), target_of("openai")).body
    assert turns in out


def test_that_any_tool_be_called_is_said_in_openais_word() -> None:
    tools = [{"type": "function", "function": {"name": "f"}}]
    for choice, word in (("any", "required"), ("required", "required"), ("auto", "auto")):
        body = {"model": "m", "messages": MESSAGES, "tools": tools, "tool_choice": choice}
        request = parse_chat(json.dumps(body).encode())
        told = json.loads(OpenAI().encode(request, target_of("openai")).body)
        assert told["tool_choice"] == word


def test_callgates_own_fields_stay_here() -> None:
    body = sent(
        {
            "model": "m",
            "messages": MESSAGES,
            "fallbacks": [{"model": "n"}],
            "fallback_config": {"retry": True},
            "post_processing_steps": [],
            "model_region": "eu",
        }
    )
    assert body == {"model": "up-model", "messages": MESSAGES, "max_completion_tokens": 1000}


def test_a_prompt_becomes_a_message() -> None:
    body = sent({"model": "m", "prompt": "what?"})
    assert body["messages"] == [{"role": "user", "content": "what?"}]
    assert "prompt" not in body


@pytest.mark.parametrize(
    ("vendor", "field"), [("openai", "max_completion_tokens"), ("mistral", "max_tokens")]
)
@pytest.mark.parametrize(
    ("given", "limit"),
    [
        ({}, 1000),
        ({"max_tokens": 7}, 7),
        ({"max_completion_tokens": 8}, 8),
        ({"max_tokens": 7, "max_completion_tokens": 8}, 8),
        ({"max_tokens": None}, 1000),
    ],
)
def test_the_output_limit_goes_into_the_vendors_field_alone(
    vendor: str, field: str, given: dict[str, int], limit: int
) -> None:
    body = sent({"model": "m", "messages": MESSAGES, **given}, vendor)
    assert {k: v for k, v in body.items() if k.startswith("max_")} == {field: limit}


@pytest.mark.parametrize(
    ("vendor", "given", "options"),
    [
        ("openai", {}, {"include_usage": True}),
        ("openai", {"stream_options": None}, {"include_usage": True}),
        (
            "openai",
            {"stream_options": {"include_usage": False, "include_obfuscation": False}},
            {"include_obfuscation": False, "include_usage": True},
        ),
        ("mistral", {"stream_options": {"include_usage": True}}, None),
        ("mistral", {"stream_options": {"other": 1}}, {"other": 1}),
    ],
)
def test_usage_is_asked_for_in_every_stream_whose_vendor_takes_it(
    vendor: str, given: dict[str, Any], options: dict[str, Any] | None
) -> None:
    body = sent({"model": "m", "messages": MESSAGES, "stream": True, **given}, vendor)
    assert body.get("stream_options") == options


@pytest.mark.parametrize(
    ("given", "seeds"),
    [
        ({"seed": 5}, {"random_seed": 5}),
        ({"random_seed": 6}, {"random_seed": 6}),
        ({"seed": 5, "random_seed": 6}, {"seed": 5, "random_seed": 6}),  # for Mistral to refuse
    ],
)
def test_mistral_is_told_the_seed_in_its_own_field(
    given: dict[str, int], seeds: dict[str, int]
) -> None:
    request = parse_chat(json.dumps({"model": "m", "messages": MESSAGES, **given}).encode())
    body = json.loads(OpenAI().encode(request, target_of("mistral")).body)
    assert {name: value for name, value in body.items() if "seed" in name} == seeds


def test_a_whole_answer_needs_no_stream_options() -> None:
    assert "stream_options" not in sent({"model": "m", "messages": MESSAGES, "stream": False})


def test_each_attempt_encodes_from_the_same_original(target: Target) -> None:
    request = request_of({"model": "m", "messages": MESSAGES, "max_tokens": 3, "stream": True})
    before = {name: bytes(raw) for name, raw in request.raw.items()}
    first = OpenAI().encode(request, target)
    other = OpenAI().encode(request, target_of("mistral", upstream_model="else"))
    assert OpenAI().encode(request, target) == first
    assert msgspec.json.decode(other.body)["model"] == "else"
    assert {name: bytes(raw) for name, raw in request.raw.items()} == before
