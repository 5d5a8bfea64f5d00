"""What callers get."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from callgate.core.chat import Chunk, Usage
from callgate.core.present import chunk_event, chunk_head, error_json, response_json
from callgate.core.record import Attempt
from callgate.core.response import ChatResponse
from callgate.errors import TAXONOMY, GatewayError

USAGE = Usage(
    input_tokens=5,
    output_tokens=7,
    total_tokens=12,
    input_details={"cached_tokens": 2},
    output_details={"reasoning_tokens": 3},
    extra={"cost": 0.5, "total_tokens": 99},
)
OF_INPUT = {"cached_tokens": 2, "audio_tokens": 0}
OF_OUTPUT = {
    "reasoning_tokens": 3,
    "audio_tokens": 0,
    "accepted_prediction_tokens": 0,
    "rejected_prediction_tokens": 0,
}


def answer(**fields: Any) -> ChatResponse:
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": "hi"},
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
        "logprobs": None,
    }
    given: dict[str, Any] = {"id": "up-1", "created": 17, "model": "up", "choices": [choice]}
    return ChatResponse(**{**given, **fields})


def shown(response: ChatResponse, **fields: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "request_id": "r-1",
        "model": "asked",
        "parameters": {},
        "llm_status": 200,
        "response_time_ns": 42,
    }
    return json.loads(response_json(response, **{**given, **fields}))


def chunk(one: Chunk) -> dict[str, Any]:
    head = chunk_head(request_id="r-1", model="asked", id="c-1", created=9)
    event = chunk_event(head, one)
    assert event.startswith(b"data: ")
    assert event.endswith(b"\n\n")
    return json.loads(event[6:])


def test_an_answer_has_the_fields_of_both_worlds() -> None:
    body = shown(answer(usage=USAGE, extra={"system_fingerprint": "fp"}))
    assert body == {
        "system_fingerprint": "fp",
        "id": "up-1",
        "object": "chat.completion",
        "created": 17,
        "model": "asked",
        "choices": answer().choices,
        "usage": {
            "cost": 0.5,
            "input_tokens": 5,
            "output_tokens": 7,
            "total_tokens": 12,
            "prompt_tokens": 5,
            "completion_tokens": 7,
            "input_tokens_details": OF_INPUT,
            "prompt_tokens_details": OF_INPUT,
            "output_tokens_details": OF_OUTPUT,
            "completion_tokens_details": OF_OUTPUT,
        },
        "request_id": "r-1",
        "request": {},
        "http_status_code": 200,
        "llm_status_code": 200,
        "response_time": 42,
    }


def test_the_parameters_go_out_as_they_came() -> None:
    raw = b'{"temperature": 0.50, "stop": ["\\u00e9"]}'
    parameters = msgspec.json.decode(raw, type=dict[str, Raw])
    body = response_json(
        answer(), request_id="r", model="m", parameters=parameters, llm_status=200,
        response_time_ns=1,
    )  # fmt: skip
    assert b'"request":{"temperature":0.50,"stop":["\\u00e9"]}' in body


def test_tool_calls_stand_on_the_choice_too() -> None:
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    choice = {"index": 0, "message": {"role": "assistant", "content": None, "tool_calls": calls}}
    given = answer(choices=[choice])
    shown_choice = shown(given)["choices"][0]
    assert shown_choice["tool_calls"] == shown_choice["message"]["tool_calls"] == calls
    assert "tool_calls" not in choice
    assert "tool_calls" not in shown(answer())["choices"][0]


def test_an_answer_without_an_id_gets_the_requests() -> None:
    assert shown(answer(id=""))["id"] == "r-1"


def test_an_upstreams_extra_fields_do_not_replace_ours() -> None:
    body = shown(answer(extra={"request_id": "theirs", "model": "up", "http_status_code": 500}))
    assert (body["request_id"], body["model"], body["http_status_code"]) == ("r-1", "asked", 200)


def test_an_estimate_says_so() -> None:
    usage = Usage(input_tokens=1, output_tokens=2, total_tokens=3, estimated=True)
    assert shown(answer(usage=usage))["usage"]["estimated"] is True
    assert "estimated" not in shown(answer(usage=USAGE))["usage"]
    assert "usage" not in shown(answer())


def test_details_are_told_whole_or_not_at_all() -> None:
    usage = Usage(input_tokens=1, output_tokens=2, total_tokens=3)
    assert not [name for name in shown(answer(usage=usage))["usage"] if "details" in name]
    usage.input_details = {"audio_tokens": None, "cache_write_tokens": 1}
    told = shown(answer(usage=usage))["usage"]
    assert told["prompt_tokens_details"] == {
        "cached_tokens": 0,
        "audio_tokens": 0,
        "cache_write_tokens": 1,
        "cache_creation": {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 0},
    }
    assert "completion_tokens_details" not in told
    assert usage.input_details == {"audio_tokens": None, "cache_write_tokens": 1}
    usage.input_details = {"cache_write_tokens": 9, "cache_write_1h_tokens": 4}
    assert shown(answer(usage=usage))["usage"]["prompt_tokens_details"]["cache_creation"] == {
        "ephemeral_5m_input_tokens": 5,
        "ephemeral_1h_input_tokens": 4,
    }


def test_a_chunk_bears_the_request_id_and_usage_where_it_has_any() -> None:
    choices = [{"index": 0, "delta": {"content": "x"}}]
    vendors = {"p": "ab", "id": "theirs", "request_id": "theirs"}
    body = chunk(Chunk(choices=choices, extra=vendors))
    assert body == {
        "p": "ab",
        "id": "c-1",
        "object": "chat.completion.chunk",
        "created": 9,
        "model": "asked",
        "choices": [{"index": 0, "delta": {"content": "x"}}],
        "request_id": "r-1",
    }
    assert chunk(Chunk(choices=choices, usage=USAGE))["usage"]["total_tokens"] == 12
    assert "usage" not in chunk(Chunk(choices=[]))


def test_a_chunk_holds_no_line_break_that_could_end_its_event() -> None:
    one = Chunk(choices=[{"index": 0, "delta": {"content": "a\n\nb\r\u2028"}}])
    body = chunk_event(chunk_head(request_id="r", model="m", id="i", created=1), one)[:-2]
    assert b"\n" not in body
    assert b"\r" not in body


def test_an_answer_nested_too_deeply_is_a_bad_reply() -> None:
    deep: list[Any] = []
    for _ in range(1_000_000):
        deep = [deep]
    with pytest.raises(GatewayError) as told:
        shown(answer(extra={"deep": deep}))
    assert told.value.kind.type == "bad_upstream_reply"


def failure(error: GatewayError, **fields: Any) -> dict[str, Any]:
    return json.loads(error_json(error, request_id="r-1", **fields))


def test_an_error_has_the_contracts_shape() -> None:
    error = GatewayError("missing_field", "Invalid request: missing required field 'model'",
                         param="model", errors=["one", "two"])  # fmt: skip
    kind = TAXONOMY["missing_field"]
    assert failure(error) == {
        "request_id": "r-1",
        "code": 400,
        "message": "Invalid request: missing required field 'model'",
        "metadata": {"errors": ["one", "two"]},
        "error": {
            "code": 400,
            "message": "Invalid request: missing required field 'model'",
            "type": "missing_field",
            "param": "model",
            "metadata": {
                "errors": ["one", "two"],
                "origin": "client",
                "retryable": False,
                "cause": kind.cause,
                "fix": kind.fix,
                "docs": "/errors/missing_field",
                "request_id": "r-1",
                "attempts": [],
            },
        },
    }


@pytest.mark.parametrize("type_", sorted(TAXONOMY))
def test_support_is_named_where_the_caller_cannot_mend_it(type_: str) -> None:
    told = failure(
        GatewayError(type_, "m"),
        support_contact="help@example.com",
        status_url="https://up.example",
    )
    fix = told["error"]["metadata"]["fix"]
    ours = TAXONOMY[type_].origin != "client"
    assert ("help@example.com" in fix) is ours
    assert ("https://up.example" in fix) is ours
    assert failure(GatewayError(type_, "m"))["error"]["metadata"]["fix"] == TAXONOMY[type_].fix


def test_attempts_tell_nothing_of_the_operators_account() -> None:
    attempt = Attempt(
        model="asked", provider="openai", deployment="openai/secret-deployment",
        upstream_model="up", host="internal.example", started_us=1, duration_us=1234, status=503,
        provider_request_id="req_1", error="provider_unavailable", message="their words",
        body="<html>", decision="stop", reason="r",
    )  # fmt: skip
    told = failure(GatewayError("provider_unavailable", "m", detail="inner"), attempts=[attempt])
    assert told["error"]["metadata"]["attempts"] == [
        {
            "model": "asked",
            "provider": "openai",
            "status": 503,
            "error": "provider_unavailable",
            "provider_request_id": "req_1",
            "duration_ms": 1.234,
        }
    ]
    assert "inner" not in json.dumps(told)
