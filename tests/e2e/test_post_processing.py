"""`post_processing_steps`: what a caller gets, and what is on record."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway import PROVIDER_KEY, Gateway

CHAT = "/v1/chat/completions"
REPAIR = [{"type": "json-repair"}]
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]
BROKEN = "Sure!\n```json\n{'city': 'Paris', \"days\": 3,}\n```"
MENDED = '{"city": "Paris", "days": 3}'


def asked(text: str, **more: Any) -> dict[str, Any]:
    body = {"model": "test-says", "messages": [{"role": "user", "content": text}]}
    return {**body, "post_processing_steps": REPAIR, **more}


def events(response: httpx.Response) -> list[dict[str, Any]]:
    blocks = response.text.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""]
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-2]]


def test_content_is_repaired(client: httpx.Client, gateway: Gateway) -> None:
    response = client.post(CHAT, json=asked(BROKEN))
    assert response.status_code == 200
    assert response.json()["choices"][0]["message"]["content"] == MENDED
    (attempt,) = gateway.record(response.headers["x-request-id"])["attempts"]
    assert attempt["post_processing"] == [
        {
            "step": "json-repair",
            "where": "choices[0].message.content",
            "what": [
                "fence removed",
                "prose removed",
                "quotes replaced",
                "trailing commas removed",
            ],
            "bytes_before": len(BROKEN),
            "bytes_after": len(MENDED),
        }
    ]
    assert "error" not in attempt
    told = gateway.run("show", response.headers["x-request-id"]).stdout
    assert "json-repair changed choices[0].message.content: fence removed, prose" in told


def test_a_stream_is_repaired_as_a_whole(client: httpx.Client, gateway: Gateway) -> None:
    options = {"include_usage": True}
    response = client.post(CHAT, json=asked(BROKEN, stream=True, stream_options=options))
    assert response.headers["content-type"].startswith("text/event-stream")
    said, end, usage = events(response)
    assert said["choices"][0]["delta"] == {"role": "assistant", "content": MENDED}
    assert said["choices"][0]["finish_reason"] is None
    assert (end["choices"][0]["delta"], end["choices"][0]["finish_reason"]) == ({}, "stop")
    assert (usage["choices"], usage["usage"]["completion_tokens"]) == ([], 4)
    record = gateway.record(response.headers["x-request-id"])
    assert record["finish_reason"] == "stop"
    assert record["usage"]["output_tokens"] == 4
    assert record["attempts"][0]["post_processing"]


@pytest.mark.parametrize("streamed", [False, True])
def test_arguments_of_tools_are_repaired(client: httpx.Client, streamed: bool) -> None:
    response = client.post(CHAT, json=asked("{'city': 'Paris',", tools=TOOLS, stream=streamed))
    if streamed:
        choice = events(response)[0]["choices"][0]
        (call,) = choice["delta"]["tool_calls"]
        assert call["index"] == 0
    else:
        (call,) = response.json()["choices"][0]["message"]["tool_calls"]
    assert (call["id"], call["type"]) == ("call_1", "function")
    assert call["function"] == {"name": "weather", "arguments": '{"city": "Paris"}'}


@pytest.mark.parametrize("streamed", [False, True])
def test_what_cannot_be_repaired_is_an_error(
    client: httpx.Client, gateway: Gateway, streamed: bool
) -> None:
    text = f'{{"city": "{PROVIDER_KEY}", "mood": "over' + "cast" * 2000
    response = client.post(CHAT, json=asked(text, stream=streamed))
    assert response.status_code == 502
    error = response.json()["error"]
    assert error["type"] == "unrepairable_json"
    assert error["message"].startswith(
        "choices[0].message.content is not JSON and cannot be repaired: it ends inside a string"
    )
    record = gateway.record(response.headers["x-request-id"])
    assert record["usage"]["output_tokens"] == 4
    (attempt,) = record["attempts"]
    assert (attempt["status"], attempt["error"]) == (200, "unrepairable_json")
    assert attempt["body"].startswith('{"city": "[redacted]", "mood": "overcast')
    assert len(attempt["body"]) == 2048


@pytest.mark.parametrize("streamed", [False, True])
def test_another_model_is_asked_then(
    client: httpx.Client, gateway: Gateway, streamed: bool
) -> None:
    text = "I would rather not."
    fallback = {"model": "test-says", "messages": [{"role": "user", "content": BROKEN}]}
    body = asked(text, fallbacks=[fallback], stream=streamed)
    response = client.post(CHAT, json=body)
    assert response.status_code == 200
    first, second = gateway.record(response.headers["x-request-id"])["attempts"]
    assert (first["error"], first["decision"]) == ("unrepairable_json", "go to the next target")
    assert "post_processing" not in first
    assert second["post_processing"]


def test_a_fallback_may_have_other_steps(client: httpx.Client) -> None:
    fallback = {"model": "test-says", "post_processing_steps": []}
    response = client.post(CHAT, json=asked("No.", fallbacks=[fallback]))
    assert response.json()["choices"][0]["message"]["content"] == "No."


def test_the_steps_are_taken_in_order(client: httpx.Client) -> None:
    text = "```python\nprint()\n```"
    strip = [{"type": "strip-code-fence"}]
    response = client.post(CHAT, json=asked(text, post_processing_steps=strip))
    assert response.json()["choices"][0]["message"]["content"] == "print()"
    response = client.post(CHAT, json=asked(text, post_processing_steps=[*strip, *REPAIR]))
    assert response.status_code == 502
    text = "```json\n{'a': 1}\n```"
    response = client.post(CHAT, json=asked(text, post_processing_steps=[*strip, *REPAIR]))
    assert response.json()["choices"][0]["message"]["content"] == '{"a": 1}'


def test_a_stream_that_breaks_off_is_asked_for_elsewhere(
    client: httpx.Client, gateway: Gateway
) -> None:
    body = asked(MENDED, model="test-cut", stream=True, fallbacks=[{"model": "test-says"}])
    response = client.post(CHAT, json={**body, "fallback_config": {"retry": False}})
    assert events(response)[0]["choices"][0]["delta"]["content"] == MENDED
    first, _ = gateway.record(response.headers["x-request-id"])["attempts"]
    assert first["error"] == "upstream_cut"


def test_an_unknown_step_is_refused_by_name(client: httpx.Client) -> None:
    response = client.post(CHAT, json=asked("x", post_processing_steps=[{"type": "polish"}]))
    assert response.status_code == 400
    error = response.json()["error"]
    assert error["param"] == "post_processing_steps[0].type"
    assert "known steps: json-repair, strip-code-fence" in error["message"]


def test_without_steps_nothing_is_touched(client: httpx.Client) -> None:
    response = client.post(CHAT, json=asked(BROKEN, post_processing_steps=[]))
    assert response.json()["choices"][0]["message"]["content"] == BROKEN
