"""Chat completions through a real gateway and a real (test) provider."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway import Gateway
from provider import WORDS, Provider

MESSAGES = [{"role": "user", "content": "Hello?"}]
CHAT = "/v1/chat/completions"
TEXT = "".join(WORDS)


def events(response: httpx.Response) -> list[Any]:
    lines = [line for line in response.text.split("\n\n") if line]
    assert all(line.startswith("data: ") for line in lines)
    return [line[6:] if line == "data: [DONE]" else json.loads(line[6:]) for line in lines]


def test_an_answer_is_the_union_of_both_worlds(client: httpx.Client) -> None:
    response = client.post(
        CHAT, json={"model": "test-ok", "messages": MESSAGES, "max_tokens": 50, "temperature": 0}
    )
    body = response.json()
    assert response.status_code == 200
    assert body["choices"][0]["message"] == {
        "role": "assistant", "content": TEXT, "refusal": None,
    }  # fmt: skip
    assert body["choices"][0]["finish_reason"] == "stop"
    assert body["object"] == "chat.completion"
    assert body["model"] == "test-ok"
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["request"] == {"model": "test-ok", "max_tokens": 50, "temperature": 0}
    assert body["http_status_code"] == body["llm_status_code"] == 200
    assert body["response_time"] > 0
    assert body["system_fingerprint"] == "fp_1"
    usage = body["usage"]
    assert usage["input_tokens"] == usage["prompt_tokens"] == 5
    assert usage["output_tokens"] == usage["completion_tokens"] == 4
    assert usage["total_tokens"] == 9
    assert usage["prompt_tokens_details"] == {"cached_tokens": 2, "audio_tokens": 0}


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_declines_has_that_on_record(
    client: httpx.Client, gateway: Gateway, *, stream: bool
) -> None:
    asked = {"model": "test-declines", "messages": MESSAGES, "stream": stream}
    response = client.post(CHAT, json=asked)
    record = gateway.record(response.headers["x-request-id"])
    assert (record["status"], record["finish_reason"]) == (200, "stop")
    assert record["notes"] == ["the model declined to answer"]


def test_long_parameters_reach_the_provider_but_not_the_record(
    client: httpx.Client, gateway: Gateway
) -> None:
    metadata = {"text": "x" * 1_000_000}
    response = client.post(
        CHAT, json={"model": "test-ok", "messages": MESSAGES, "user": "u", "metadata": metadata}
    )
    assert response.json()["request"]["metadata"] == metadata
    record = gateway.record(response.headers["x-request-id"])
    assert record["parameters"] == {"model": "test-ok", "user": "u"}
    left = record["parameters_omitted"]
    assert (left["count"], left["names"]) == (1, ["metadata"])
    assert 1_000_000 < left["bytes"] < 1_000_100
    assert len(json.dumps(record)) < 5_000
    assert record["region"] == "us"


def test_headers_tell_limits_and_times(client: httpx.Client) -> None:
    headers = client.post(CHAT, json={"model": "test-ok", "messages": MESSAGES}).headers
    assert headers["x-ratelimit-limit"] == "100000"
    assert int(headers["x-ratelimit-remaining"]) < 100000
    assert 0 < int(headers["x-ratelimit-reset"]) <= 60
    assert headers["x-ratelimit-model"] == "test-ok"
    assert headers["server-timing"].startswith("gateway;dur=")
    assert "upstream;dur=" in headers["server-timing"]


def test_a_prompt_becomes_a_message_and_the_limit_is_1000(
    client: httpx.Client, provider: Provider
) -> None:
    response = client.post(CHAT, json={"model": "test-ok", "prompt": "Only once"})
    assert response.status_code == 200
    _, sent = next(r for r in reversed(provider.requests) if "Only once" in str(r[1]))
    assert sent["messages"] == [{"role": "user", "content": "Only once"}]
    assert sent["max_tokens"] == 1000
    assert "prompt" not in sent


def test_what_openai_servers_know_goes_through_untouched(
    client: httpx.Client, provider: Provider
) -> None:
    parts = [
        {"type": "text", "text": "Look and listen"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_id": "file-1"}},
    ]
    given = {
        "messages": [{"role": "user", "content": parts}],
        "n": 2,
        "logprobs": True,
        "top_logprobs": 3,
        "max_completion_tokens": 7,
        "some_vendor_field": {"deep": [1, 2.50, "ü"]},
        "tools": [{"type": "function", "function": {"name": "weather", "parameters": {}}}],
    }
    response = client.post(CHAT, json={"model": "test-ok", **given})
    assert response.status_code == 200, response.text
    assert len(response.json()["choices"]) == 2
    _, sent = next(r for r in reversed(provider.requests) if "some_vendor_field" in r[1])
    limit = given.pop("max_completion_tokens")
    assert sent == {"model": "test-ok", **given, "max_tokens": limit}


def test_tool_calls_stand_on_the_choice_too(client: httpx.Client) -> None:
    choice = client.post(CHAT, json={"model": "test-tools", "messages": MESSAGES}).json()[
        "choices"
    ][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["tool_calls"] == choice["message"]["tool_calls"]
    assert json.loads(choice["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}


@pytest.mark.parametrize("usage", [False, True])
def test_a_stream_is_whole_and_bears_the_request_id(
    client: httpx.Client, gateway: Gateway, *, usage: bool
) -> None:
    asked: dict[str, Any] = {"model": "test-ok", "messages": MESSAGES, "stream": True}
    if usage:
        asked["stream_options"] = {"include_usage": True}
    response = client.post(CHAT, json=asked)
    assert response.headers["content-type"].startswith("text/event-stream")
    *chunks, done = events(response)
    assert done == "[DONE]"
    request_id = response.headers["x-request-id"]
    assert {chunk["request_id"] for chunk in chunks} == {request_id}
    assert {(chunk["id"], chunk["model"]) for chunk in chunks} == {("chatcmpl-up", "test-ok")}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert deltas[0]["role"] == "assistant"
    assert "".join(delta.get("content") or "" for delta in deltas) == TEXT
    assert ("usage" in chunks[-1]) is usage
    if usage:
        assert chunks[-1]["choices"] == []
        assert chunks[-1]["usage"]["total_tokens"] == 9
    record = gateway.record(request_id)  # usage is on record whether or not it was asked for
    assert record["usage"]["total_tokens"] == 9
    assert record["finish_reason"] == "stop"
    assert record["first_token_us"] > 0


def test_a_stream_of_events_that_differ_in_their_text_alone_bears_each_of_them(
    client: httpx.Client, gateway: Gateway
) -> None:
    response = client.post(CHAT, json={"model": "test-spelt", "messages": MESSAGES, "stream": True})
    first, *others, end, done = events(response)
    assert done == "[DONE]"
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": TEXT[0]}
    for letter, given in zip(TEXT[1:], others, strict=True):
        choice = {"index": 0, "delta": {"content": letter}, "finish_reason": None, "logprobs": None}
        padding = "x" * (ord(letter) % 9)
        assert given == {**first, "choices": [choice], "obfuscation": padding}
    assert end["choices"][0]["finish_reason"] == "stop"
    record = gateway.record(response.headers["x-request-id"])
    assert record["usage"]["output_tokens"] == len(TEXT) // 4
    assert record["response_bytes"] == len(response.content)


def test_a_cut_stream_is_no_finished_answer(client: httpx.Client, gateway: Gateway) -> None:
    response = client.post(CHAT, json={"model": "test-cut", "messages": MESSAGES, "stream": True})
    assert response.status_code == 200
    *chunks, last = events(response)
    assert chunks[0]["choices"][0]["delta"]["content"] == "Hel"
    assert last["error"]["type"] == "upstream_cut"
    assert last["request_id"] == response.headers["x-request-id"]
    assert "[DONE]" not in response.text
    record = gateway.record(last["request_id"])
    assert record["error"] == "upstream_cut"
    assert record["status"] == 502
    assert record["usage"]["estimated"] is True


def test_the_record_holds_the_whole_story(client: httpx.Client, gateway: Gateway) -> None:
    headers = {"user-agent": "story/1", "x-client-request-id": "mine-1"}
    response = client.post(CHAT, json={"model": "test-ok", "messages": MESSAGES}, headers=headers)
    record = gateway.record(response.headers["x-request-id"])
    assert record["status"] == 200
    assert record["user_agent"] == "story/1"
    assert record["client_request_id"] == "mine-1"
    assert record["account"] == "default"
    assert record["model"] == record["model_served"] == "test-ok"
    assert record["parameters"] == {"model": "test-ok"}
    assert len(record["prompt_sha256"]) == 64
    assert record["message_count"] == 1
    assert record["total_us"] >= record["upstream_us"] > 0
    assert record["gateway_us"] >= 0
    (attempt,) = record["attempts"]
    assert attempt["provider"] == "test"
    assert attempt["status"] == 200
    assert attempt["provider_request_id"] == "req_upstream"
    assert attempt["host"] == "127.0.0.1"
    assert attempt["decision"] == "done"
