"""Whole answers in the OpenAI dialect, and what only looks like one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.chat import Usage
from callgate.core.http import HttpResponse
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.openai.answer import usage_of
from callgate.providers.openai.dialect import OpenAI
from callgate.providers.openai.stream import StreamDecoder

from .samples import SECRET, target_of


def decoded(body: Any, target: Target) -> ChatResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OpenAI().decode(HttpResponse(200, {}, data), target)


def choice_of(target: Target, message: dict[str, Any], **fields: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": "stop", **fields}
    return decoded({"id": "up", "choices": [choice]}, target).choices[0]


SAID = {"role": "assistant", "content": "hi"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"   ", b"null", b"[]", b'"text"', b"17", b"{", b'{"choices": [', b"<html>502</html>",
        b'{"choices": []}', b'{"choices": {}}', b"{}", b'{"choices": [null]}', b'{"choices": [{}]}',
        b'{"choices": [{"message": null}]}', b'{"choices": [{"message": "x"}]}',
        b'{"choices": [{"message": {"content": 5}}]}',
        b'{"choices": [{"message": {"content": "a", "tool_calls": {}}}]}',
        b'{"choices": [{"message": {"content": "a", "tool_calls": [7]}}]}',
        b"\xff\xfe", b"[" * 100_000, b'data: {"choices": []}\n\n',
    ],
)  # fmt: skip
def test_nonsense_is_a_bad_reply(body: bytes, target: Target) -> None:
    with pytest.raises(GatewayError) as told:
        decoded(body, target)
    assert told.value.kind.type == "bad_upstream_reply"
    assert told.value.message.startswith("openai answered with ")


def test_the_start_of_nonsense_is_kept_for_the_operator_without_secrets(target: Target) -> None:
    with pytest.raises(GatewayError) as told:
        decoded(f"<html>{SECRET} teapot</html>".encode(), target)
    assert told.value.detail == "<html>[redacted] teapot</html>"


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        ({"error": {"message": "boom"}}, "bad_upstream_reply"),
        ({"error": "boom"}, "bad_upstream_reply"),
        ({"error": {"message": "no", "code": 400}}, "provider_rejected"),
        ({"error": {"message": "no", "code": 502}}, "provider_unavailable"),
        ({"error": {"message": "no", "code": 429}}, "provider_rate_limited"),
        ({"error": {"message": "x", "code": "context_length_exceeded"}}, "context_too_long"),
        ({"error": {"message": "x", "type": "server_error"}}, "provider_unavailable"),
        ({"object": "error", "message": "x", "code": 400}, "provider_rejected"),
        (
            {"choices": [{"message": SAID, "finish_reason": None, "error": {"code": 502}}]},
            "provider_unavailable",
        ),
        ({"choices": [{"message": SAID, "finish_reason": "error"}]}, "upstream_cut"),
        (
            {"choices": [{"message": SAID, "finish_reason": "insufficient_system_resource"}]},
            "provider_unavailable",
        ),
    ],
)
def test_an_error_with_status_200_is_no_answer(
    body: dict[str, Any], type_: str, target: Target
) -> None:
    with pytest.raises(GatewayError) as told:
        decoded(body, target)
    assert told.value.kind.type == type_


@pytest.mark.parametrize(
    ("word", "ours"),
    [
        ("stop", "stop"), ("length", "length"), ("tool_calls", "tool_calls"),
        ("content_filter", "content_filter"), ("function_call", "function_call"),
        ("tool_call", "tool_calls"), ("end_turn", "stop"), ("eos", "stop"),
        ("model_length", "length"), ("MAX_TOKENS", "length"), ("a_new_word", "stop"),
        (None, None), ("", None),
    ],
)  # fmt: skip
def test_finish_reasons_are_openais_and_the_vendors_word_is_kept(
    word: str | None, ours: str | None, target: Target
) -> None:
    choice = choice_of(target, SAID, finish_reason=word)
    assert choice["finish_reason"] == ours
    assert choice.get("native_finish_reason") == (word or None)


def test_a_native_reason_that_the_vendor_gives_stays(target: Target) -> None:
    choice = choice_of(target, SAID, native_finish_reason="completed")
    assert choice["native_finish_reason"] == "completed"


@pytest.mark.parametrize("logprobs", [None, {"content": [], "refusal": None}])
def test_where_it_gives_none_openais_word_is_the_vendors_too(logprobs: Any, target: Target) -> None:
    """`logprobs` decide by which path a choice is read."""
    for told, native in ((None, "stop"), ("end_turn", "end_turn")):
        choice = choice_of(target, dict(SAID), native_finish_reason=told, logprobs=logprobs)
        assert (choice["finish_reason"], choice["native_finish_reason"]) == ("stop", native)
        decoder = StreamDecoder(target)
        end = {"index": 0, "delta": {}, "finish_reason": "stop", "native_finish_reason": told}
        (chunk,) = decoder.feed(b"data: %b\n\n" % json.dumps({"choices": [end]}).encode())
        assert chunk.choices[0]["native_finish_reason"] == native


@pytest.mark.parametrize("reason", [7, True, ["stop"], {"type": "stop"}])
def test_a_reason_that_is_no_word_is_none(reason: Any, target: Target) -> None:
    assert choice_of(target, SAID, finish_reason=reason)["finish_reason"] is None


@pytest.mark.parametrize("given", [-1.5e-06, [], "x", True])
def test_probabilities_that_are_no_object_are_none(given: Any, target: Target) -> None:
    """Together's bare number comes through OpenRouter."""
    assert choice_of(target, dict(SAID), logprobs=given)["logprobs"] is None
    event = {"choices": [{"index": 0, "delta": SAID, "logprobs": given}]}
    (chunk,) = StreamDecoder(target).feed(b"data: %b\n\n" % json.dumps(event).encode())
    assert chunk.choices[0]["logprobs"] is None


@pytest.mark.parametrize("more", [{}, {"native_finish_reason": "end_turn"}])
def test_probabilities_that_nobody_tells_are_null(more: dict[str, Any], target: Target) -> None:
    assert choice_of(target, dict(SAID), **more)["logprobs"] is None


def test_what_is_missing_is_filled_in(target: Target) -> None:
    calls = [{"id": "", "function": {"name": "f"}}, {"function": {"name": "g", "arguments": {}}}]
    body = {"id": "up", "choices": [{"message": {"tool_calls": calls}}, {"message": SAID}]}
    answer = decoded(body, target)
    assert [choice["index"] for choice in answer.choices] == [0, 1]
    assert answer.choices[0]["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {
                "id": "call_up_0_0",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
            },
            {
                "id": "call_up_0_1",
                "type": "function",
                "function": {"name": "g", "arguments": "{}"},
            },
        ],
    }
    assert (answer.created, answer.model, answer.usage) == (0, "", None)


@pytest.mark.parametrize(
    ("reason", "arguments"), [("tool_calls", "{}"), ("stop", "{}"), ("length", "")]
)
def test_no_arguments_are_an_empty_object_unless_the_answer_was_cut(
    reason: str, arguments: str, target: Target
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}
    choice = choice_of(target, {"role": "assistant", "tool_calls": [call]}, finish_reason=reason)
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == arguments


@pytest.mark.parametrize(
    ("vendor", "said", "told"),
    [
        ("vllm", "stop", "tool_calls"), ("ollama", "stop", "tool_calls"),
        ("openai-compatible", "stop", "tool_calls"), ("vllm", "length", "length"),
        ("openai", "stop", "stop"), ("azure", "stop", "stop"), ("openrouter", "stop", "stop"),
    ],
)  # fmt: skip
def test_a_call_is_the_reason_where_a_server_says_that_it_just_stopped(
    vendor: str, said: str, told: str
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    asked = target_of(vendor)
    choice = choice_of(asked, message, finish_reason=said)
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (told, said)
    decoder = StreamDecoder(asked)
    event = {"choices": [{"index": 0, "delta": message, "finish_reason": None}]}
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": said}]}
    (*_, last) = decoder.feed(
        b"".join(b"data: %b\n\n" % json.dumps(e).encode() for e in (event, end))
    )
    assert last.choices[0]["finish_reason"] == told
    assert last.choices[0]["native_finish_reason"] == said
    words = choice_of(asked, {"role": "assistant", "content": "x", "tool_calls": []})
    assert words["finish_reason"] == "stop"


def test_a_list_of_parts_becomes_text_and_reasoning(target: Target) -> None:
    parts = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "let "}, {"text": "me"}]},
        {"type": "text", "text": "It is "},
        {"type": "reference", "reference_ids": [1]},
        {"type": "text", "text": "8."},
    ]
    message = choice_of(target, {"role": "assistant", "content": parts})["message"]
    assert message == {
        "role": "assistant",
        "content": "It is 8.",
        "reasoning_content": "let me",
        "content_parts": [{"type": "reference", "reference_ids": [1]}],
    }


def test_parts_may_be_plain_strings_and_thoughts_a_string(target: Target) -> None:
    parts = [{"type": "thinking", "thinking": " then"}, "It is ", {"type": "text", "text": "8."}]
    said = {"role": "assistant", "content": parts, "reasoning_content": "First,"}
    message = choice_of(target, said)["message"]
    assert (message["content"], message["reasoning_content"]) == ("It is 8.", "First, then")


@pytest.mark.parametrize(
    ("more", "content"),
    [
        ({}, ""), ({"refusal": None, "reasoning": None, "tool_calls": []}, ""),
        ({"reasoning_content": "Hm."}, ""), ({"refusal": "No."}, None),
        ({"audio": {"id": "a"}}, None), ({"function_call": {"name": "f", "arguments": ""}}, None),
    ],
)  # fmt: skip
def test_an_answer_that_says_nothing_can_be_sent_back(
    more: dict[str, Any], content: str | None, target: Target
) -> None:
    message = choice_of(target, {"role": "assistant", "content": None, **more})["message"]
    assert message["content"] == content
    history = [{"role": "user", "content": "x"}, message, {"role": "user", "content": "y"}]
    assert parse_chat(json.dumps({"model": "m", "messages": history}).encode()).messages


def test_an_empty_list_of_calls_is_none(target: Target) -> None:
    assert "tool_calls" not in choice_of(target, {**SAID, "tool_calls": []})["message"]


def test_content_that_is_an_object_becomes_its_json(target: Target) -> None:
    message = choice_of(target, {"role": "assistant", "content": {"é": [1, None]}})["message"]
    assert message["content"] == '{"é":[1,null]}'


def test_a_choice_of_which_nothing_passed_the_filter_is_filtered(target: Target) -> None:
    body = {"choices": [{"index": 0, "finish_reason": "content_filter"}]}
    (choice,) = decoded(body, target).choices
    assert choice["finish_reason"] == "content_filter"
    assert choice["message"] == {"role": "assistant", "content": ""}


def test_a_vendors_own_fields_stay(target: Target) -> None:
    message = {**SAID, "reasoning_details": [{"type": "x"}], "annotations": []}
    body = {
        "id": "a", "object": "chat.completion", "created": 1.0, "model": "m", "provider": "P",
        "system_fingerprint": None, "choices": [{"message": message, "matched_stop": 3}],
    }  # fmt: skip
    answer = decoded(body, target)
    assert answer.extra == {"provider": "P", "system_fingerprint": None}
    assert answer.choices[0]["message"] == message
    assert answer.choices[0]["matched_stop"] == 3
    assert answer.created == 1


def test_broken_characters_do_not_break_the_answer(target: Target) -> None:
    body = b'{"choices": [{"message": {"content": "a\\ud83d"}, "finish_reason": "stop"}]}'
    assert decoded(body, target).choices[0]["message"]["content"] == "a\ufffd"


@pytest.mark.parametrize(
    ("given", "usage"),
    [
        (None, None),
        ({}, None),
        ("many", None),
        ({"prompt_tokens": "5"}, None),
        ({"prompt_tokens": -5}, Usage(input_tokens=0, output_tokens=0, total_tokens=0)),
        (
            {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
            Usage(input_tokens=3, output_tokens=4, total_tokens=7),
        ),
        (
            {"input_tokens": 3, "output_tokens": 4},
            Usage(input_tokens=3, output_tokens=4, total_tokens=7),
        ),
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8, "cost": 0.1},
            Usage(
                input_tokens=9, output_tokens=1, total_tokens=10,
                input_details={"cached_tokens": 8},
                extra={"prompt_cache_hit_tokens": 8, "cost": 0.1},
            ),
        ),
        (
            {
                "prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 30,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(
                input_tokens=9, output_tokens=21, total_tokens=30,
                output_details={"reasoning_tokens": 20},
            ),
        ),
        (
            {
                "prompt_tokens": 9, "completion_tokens": 21, "total_tokens": 30,
                "prompt_tokens_details": None,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(
                input_tokens=9, output_tokens=21, total_tokens=30,
                output_details={"reasoning_tokens": 20},
            ),
        ),
        *(
            (
                {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10, name: 4},
                Usage(
                    input_tokens=9, output_tokens=1, total_tokens=10,
                    input_details={"cached_tokens": 4}, extra={name: 4},
                ),
            )
            for name in ("num_cached_tokens", "cached_tokens")  # Mistral, Moonshot
        ),
        (
            {
                "prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 8,
                "prompt_tokens_details": {"cached_tokens": 7, "audio_tokens": 1},
            },
            Usage(
                input_tokens=9, output_tokens=1, total_tokens=10,
                input_details={"cached_tokens": 7, "audio_tokens": 1},
                extra={"prompt_cache_hit_tokens": 8},
            ),
        ),
        (
            {
                "input_tokens": 3.0, "output_tokens": 4, "total_tokens": 7,
                "input_tokens_details": {"cached_tokens": 1},
                "output_tokens_details": {"reasoning_tokens": 2},
            },
            Usage(
                input_tokens=3, output_tokens=4, total_tokens=7,
                input_details={"cached_tokens": 1}, output_details={"reasoning_tokens": 2},
            ),
        ),
        ({"completion_tokens": 5}, Usage(input_tokens=0, output_tokens=5, total_tokens=5)),
        ({"prompt_tokens": 5}, Usage(input_tokens=5, output_tokens=0, total_tokens=5)),
        ({"total_tokens": 5}, None),
    ],
)  # fmt: skip
def test_usage_is_read_from_every_vendors_shape(given: Any, usage: Usage | None) -> None:
    assert usage_of(given) == usage


def test_groqs_second_place_for_usage_is_read(target: Target) -> None:
    groq = {"usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}}
    answer = decoded({"choices": [{"message": SAID}], "x_groq": groq}, target)
    assert answer.usage == Usage(input_tokens=1, output_tokens=2, total_tokens=3)
