"""`response_format`: what a caller gets, streamed and not, and what is on record."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from gateway import Gateway
from provider import Provider

CHAT = "/v1/chat/completions"
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
GOOD = '{"city": "Paris", "days": 3}'
BAD = '{"city": "Paris", "days": "3"}'
BROKEN = "Sure!\n```json\n{'city': 'Paris', \"days\": 3,}\n```"
MENDED = {"city": "Paris", "days": 3}
MODELS = ("test-says", "says-by-function", "says-when-told")


def asked(text: str, *, strict: bool = True, schema: Any = SCHEMA, **more: Any) -> dict[str, Any]:
    form = {"name": "trip", "schema": schema, "strict": strict}
    return {
        "model": "test-says",
        "messages": [{"role": "user", "content": text}],
        "response_format": {"type": "json_schema", "json_schema": form},
        **more,
    }


def chunks(response: httpx.Response) -> list[dict[str, Any]]:
    blocks = response.text.split("\n\n")
    assert blocks[-2:] == ["data: [DONE]", ""], response.text
    return [json.loads(block.removeprefix("data: ")) for block in blocks[:-2]]


def said(streamed: list[dict[str, Any]]) -> str:
    assert not any("tool_calls" in one["choices"][0]["delta"] for one in streamed)
    assert streamed[-1]["choices"][0]["finish_reason"] == "stop"
    return "".join(one["choices"][0]["delta"].get("content") or "" for one in streamed)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("strict", [True, False])
def test_a_conforming_answer_is_plain_content(
    client: httpx.Client, gateway: Gateway, model: str, strict: bool
) -> None:
    response = client.post(CHAT, json=asked(GOOD, strict=strict, model=model))
    body = response.json()
    assert response.status_code == 200, body
    (choice,) = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": GOOD}
    assert choice["finish_reason"] == "stop"
    assert "tool_calls" not in choice
    assert "metadata" not in body
    notes = gateway.record(response.headers["x-request-id"]).get("notes", [])
    assert bool(notes) == (model != "test-says")


def test_each_way_asks_as_it_should(client: httpx.Client, provider: Provider) -> None:
    sent = []
    for model in MODELS:
        client.post(CHAT, json=asked(GOOD, model=model))
        sent.append(provider.requests[-1][1])
    native, by_function, told = sent
    assert native["response_format"]["json_schema"]["schema"] == SCHEMA
    assert by_function["tool_choice"]["function"]["name"] == "trip"
    assert by_function["tools"][0]["function"]["parameters"] == SCHEMA
    assert "JSON Schema" in told["messages"][0]["content"]
    assert not {"response_format", "tools"} & told.keys()
    assert "response_format" not in by_function


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_does_not_conform_is_an_error_with_the_paths(
    client: httpx.Client, gateway: Gateway, model: str, stream: bool
) -> None:
    response = client.post(CHAT, json=asked(BAD, model=model, stream=stream))
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (502, "schema_violation")
    assert error["metadata"]["origin"] == "upstream"
    record = gateway.record(response.headers["x-request-id"])
    assert len(record["attempts"]) == 2
    first, second = record["attempts"]
    assert first["error"] == second["error"] == "schema_violation"
    assert 'days: value is not of type "integer"' in first["message"]
    assert first["decision"] == "ask again"
    told = gateway.run("show", response.headers["x-request-id"]).stdout
    assert "schema_violation" in told


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_what_can_be_repaired_is(client: httpx.Client, model: str, stream: bool) -> None:
    response = client.post(CHAT, json=asked(BROKEN, model=model, stream=stream))
    assert response.status_code == 200, response.text
    if stream:
        streamed = chunks(response)
        assert len([one for one in streamed if one["choices"][0]["delta"].get("content")]) == 1
        assert json.loads(said(streamed)) == MENDED
    else:
        assert json.loads(response.json()["choices"][0]["message"]["content"]) == MENDED


@pytest.mark.parametrize("model", MODELS)
def test_a_strict_stream_comes_as_a_whole(client: httpx.Client, model: str) -> None:
    options = {"include_usage": True}
    response = client.post(CHAT, json=asked(GOOD, model=model, stream=True, stream_options=options))
    assert response.headers["content-type"].startswith("text/event-stream")
    *streamed, usage = chunks(response)
    assert said(streamed) == GOOD
    assert streamed[0]["choices"][0]["delta"]["role"] == "assistant"
    assert usage["usage"]["total_tokens"] == 9


@pytest.mark.parametrize("model", MODELS[:2])
def test_a_loose_stream_comes_as_it_is_made(client: httpx.Client, model: str) -> None:
    streamed = chunks(client.post(CHAT, json=asked(GOOD, strict=False, model=model, stream=True)))
    assert said(streamed) == GOOD
    assert len(streamed) > 5
    assert not any("metadata" in one for one in streamed)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_loose_answer_that_does_not_conform_is_given_and_noted(
    client: httpx.Client, gateway: Gateway, model: str, stream: bool
) -> None:
    response = client.post(CHAT, json=asked(BAD, strict=False, model=model, stream=stream))
    assert response.status_code == 200
    if stream:
        streamed = chunks(response)
        assert said(streamed) == BAD
        told = [one["metadata"] for one in streamed if "metadata" in one]
        assert len(told) == 1
    else:
        body = response.json()
        assert body["choices"][0]["message"]["content"] == BAD
        told = [body["metadata"]]
    assert told[0]["response_format"]["conforms"] is False
    assert told[0]["response_format"]["violations"] == ['days: value is not of type "integer"']
    record = gateway.record(response.headers["x-request-id"])
    assert record["status"] == 200
    assert record["finish_reason"] == "stop"
    assert any("does not conform" in note for note in record["notes"])


@pytest.mark.parametrize("model", MODELS)
def test_any_object_will_do_where_only_json_is_asked_for(client: httpx.Client, model: str) -> None:
    form = {"type": "json_object"}
    asking = asked(BROKEN, model=model, response_format=form)
    assert json.loads(client.post(CHAT, json=asking).json()["choices"][0]["message"]["content"])
    refused = client.post(CHAT, json=asked("no JSON", model=model, response_format=form))
    assert refused.json()["error"]["type"] == "schema_violation"


def test_a_fallback_answers_for_a_model_that_does_not_conform(
    client: httpx.Client, gateway: Gateway
) -> None:
    other = {"model": "says-by-function", "messages": [{"role": "user", "content": GOOD}]}
    response = client.post(CHAT, json=asked(BAD, fallbacks=[other]))
    body = response.json()
    assert body["choices"][0]["message"]["content"] == GOOD
    assert body["model"] == "says-by-function"
    record = gateway.record(response.headers["x-request-id"])
    assert [one["decision"] for one in record["attempts"]] == [
        "ask again", "fall back to says-by-function", "done",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"properties": {"age": {"type": "nix"}}}, ".properties.age.type"),
        ({"properties": {"age": {"$ref": "https://example.com"}}}, ".properties.age.$ref"),
        ({"$ref": "#"}, ".$ref"),
    ],
)
def test_a_schema_that_makes_no_sense_is_refused_before_anybody_is_asked(
    client: httpx.Client, gateway: Gateway, schema: Any, path: str
) -> None:
    response = client.post(CHAT, json=asked(GOOD, schema=schema, strict=False))
    error = response.json()["error"]
    assert (response.status_code, error["type"]) == (400, "invalid_field")
    assert error["param"] == "response_format.json_schema.schema" + path
    assert "attempts" not in gateway.record(response.headers["x-request-id"])


def test_a_fallbacks_schema_is_looked_at_too(client: httpx.Client) -> None:
    form = asked("", schema={"type": "nix"})["response_format"]
    other = {"model": "test-ok", "response_format": form}
    error = client.post(CHAT, json=asked(GOOD, fallbacks=[other])).json()["error"]
    assert error["param"] == "fallbacks[0].response_format.json_schema.schema.type"


def test_steps_come_after_the_form(client: httpx.Client) -> None:
    steps = [{"type": "json-repair"}]
    response = client.post(CHAT, json=asked(BROKEN, post_processing_steps=steps, strict=False))
    assert json.loads(response.json()["choices"][0]["message"]["content"]) == MENDED
