"""Vertex AI: Claude behind rawPredict, Gemini behind generateContent, told apart by the model."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest

from callgate.catalogue import load
from callgate.core.http import HttpResponse, split_url
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.registry import DIALECTS, VENDORS

from .anthropic_wire import judge
from .samples import SECRET, Record, response_of, target_of

VERTEX = DIALECTS["vertex"]
HELLO = [{"role": "user", "content": "Hello"}]
HOST = "aiplatform.googleapis.com"


def vertex(model: str, base: str = "", **options: str) -> Target:
    target = target_of("vertex", upstream_model=model)
    made = replace(target.deployment, options=options)
    if base:
        origin, path = split_url(base)
        made = replace(made, origin=origin, path=path)
    return target.replace(deployment=made)


def encoded(target: Target, **body: Any) -> tuple[str, dict[str, str], dict[str, Any]]:
    given = json.dumps({"model": "asked-model", "messages": HELLO, **body}).encode()
    request = VERTEX.encode(parse_chat(given), target)
    assert request.method == "POST"
    assert SECRET not in f"{request.headers}"
    url = f"{request.origin}{request.path}"
    return url, dict(request.headers), json.loads(request.body)


@pytest.fixture
def recorded(recordings: Callable[[str], list[Record]]) -> list[Record]:
    found = [one for one in recordings("messages") if "vertex" in one["tags"]]
    assert len(found) > 5
    return found


def upstream_of(record: Record) -> str:
    return unquote(record["request"]["path"]).rpartition("/")[2].partition(":")[0]


@pytest.mark.parametrize(
    ("model", "base", "options", "url"),
    [
        (
            "claude-sonnet-4-5@20250929",
            "",
            {"project": "p"},
            (
                f"https://{HOST}/v1/projects/p/locations/global/publishers/anthropic/models/"
                "claude-sonnet-4-5@20250929"
            ),
        ),
        (
            "claude-opus-5",
            "",
            {"project": "p", "location": "us-east5"},
            (
                f"https://us-east5-{HOST}/v1/projects/p/locations/us-east5/publishers/anthropic/models/"
                "claude-opus-5"
            ),
        ),
        (
            "claude-opus-5",
            "",
            {"project": "p", "location": "eu"},
            (
                "https://aiplatform.eu.rep.googleapis.com/v1/projects/p/locations/eu/publishers/"
                "anthropic/models/claude-opus-5"
            ),
        ),
        (
            "claude-opus-5",
            "http://127.0.0.1:9/v1/projects/q/locations/x/publishers/google",
            {},
            "http://127.0.0.1:9/v1/projects/q/locations/x/publishers/anthropic/models/claude-opus-5",
        ),
        (
            "publishers/anthropic/models/claude-opus-5",
            "",
            {"project": "p"},
            (
                f"https://{HOST}/v1/projects/p/locations/global/publishers/anthropic/models/"
                "claude-opus-5"
            ),
        ),
        (
            "tuned",
            "http://127.0.0.1:9/v1/projects/q/locations/x/publishers/anthropic",
            {},
            "http://127.0.0.1:9/v1/projects/q/locations/x/publishers/anthropic/models/tuned",
        ),
    ],
)
def test_claude_is_asked_at_its_publishers_path(
    model: str, base: str, options: dict[str, str], url: str
) -> None:
    target = vertex(model, base, **options)
    assert encoded(target)[0] == f"{url}:rawPredict"
    assert encoded(target, stream=True)[0] == f"{url}:streamRawPredict"


@pytest.mark.parametrize("stream", [False, True])
def test_the_model_leaves_the_body_and_the_version_enters_it(*, stream: bool) -> None:
    _, headers, body = encoded(vertex("claude-opus-5", project="p"), stream=stream, max_tokens=50)
    assert "model" not in body
    assert body["anthropic_version"] == "vertex-2023-10-16"
    assert body.get("stream", False) is stream
    assert body["max_tokens"] == 50
    assert not {"anthropic-version", "x-api-key", "authorization"} & set(headers)
    assert headers["accept"] == ("text/event-stream" if stream else "application/json")
    fields = {key: value for key, value in body.items() if key != "anthropic_version"}
    judge({**fields, "model": "claude-opus-5"})


def test_what_the_recordings_sent_is_what_is_sent(recorded: list[Record]) -> None:
    for record in recorded:
        sent = record["request"]
        project, location = sent["path"].split("/")[3], sent["path"].split("/")[5]
        target = vertex(upstream_of(record), project=project, location=location)
        url, _, body = encoded(target, stream=record["stream"])
        assert unquote(url).endswith(unquote(sent["path"])), record["id"]
        assert body["anthropic_version"] == sent["body"]["anthropic_version"]
        assert ("model" in body) is ("model" in sent["body"]) is False


def test_a_later_system_message_joins_the_system_prompt() -> None:
    messages = [*HELLO, {"role": "assistant", "content": "Hi"}, {"role": "system", "content": "S"}]
    target = vertex("claude-opus-5", project="p")
    _, _, body = encoded(target, messages=[*messages, *HELLO])
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert body["system"] == [{"type": "text", "text": "S"}]


def test_a_mark_on_the_whole_request_stands_on_its_last_block() -> None:
    mark = {"type": "ephemeral"}
    asked = {"messages": [{"role": "user", "content": "x"}], "cache_control": mark}
    _, _, body = encoded(vertex("claude-sonnet-4-5"), **asked)
    assert "cache_control" not in body
    assert body["messages"][0]["content"] == [{"type": "text", "text": "x", "cache_control": mark}]


def test_a_feature_that_a_request_needs_is_named_in_a_header() -> None:
    thought = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    said = {"role": "assistant", "content": "Hi", "reasoning_details": [thought]}
    target = vertex("claude-opus-5-5", project="p")
    _, headers, body = encoded(target, messages=[*HELLO, said, *HELLO])
    assert "block_binding" in body["thinking"]
    assert headers["anthropic-beta"] == "thinking-binding-controls-2026-08-01"
    _, headers, _ = encoded(target, messages=HELLO)
    assert "anthropic-beta" not in headers


def test_uploaded_files_are_refused() -> None:
    part = {"type": "file", "file": {"file_id": "file_011CNha8iCJcU1wXNR6q4V8w"}}
    messages = [{"role": "user", "content": [part, {"type": "text", "text": "Sum up"}]}]
    with pytest.raises(GatewayError) as error:
        encoded(vertex("claude-opus-5", project="p"), messages=messages)
    assert error.value.kind.type == "unsupported_field"


def test_recorded_answers_of_claude_are_read_whole(recorded: list[Record]) -> None:
    seen = 0
    for record in recorded:
        if record["stream"] or record["response"]["status"] != 200:
            continue
        given = record["response"]["body"]
        answer = VERTEX.decode(response_of(record), vertex(upstream_of(record)))
        (choice,) = answer.choices
        text = "".join(one["text"] for one in given["content"] if one["type"] == "text")
        calls = [one["input"] for one in given["content"] if one["type"] == "tool_use"]
        made = [
            json.loads(call["function"]["arguments"])
            for call in choice["message"].get("tool_calls", ())
        ]
        assert ((choice["message"]["content"] or ""), made) == (text, calls), record["id"]
        assert choice["native_finish_reason"] == given["stop_reason"]
        assert answer.usage is not None
        assert answer.usage.output_tokens == given["usage"]["output_tokens"]
        seen += 1
    assert seen > 3


def test_recorded_streams_of_claude_are_read_to_their_end(recorded: list[Record]) -> None:
    seen = 0
    for record in recorded:
        if not record["stream"] or record["response"]["status"] != 200:
            continue
        decoder = VERTEX.decoder(vertex(upstream_of(record)))
        chunks = [*decoder.feed(record["response"]["body"].encode()), *decoder.close()]
        events = [
            json.loads(line[5:])
            for line in record["response"]["body"].splitlines()
            if line.startswith("data:")
        ]
        said = "".join(
            event["delta"].get("text", "")
            for event in events
            if event["type"] == "content_block_delta"
        )
        ours = "".join(
            choice["delta"].get("content") or "" for chunk in chunks for choice in chunk.choices
        )
        assert (ours, decoder.done) == (said, True), record["id"]
        seen += 1
    assert seen > 2


def test_google_s_own_errors_are_understood_for_both() -> None:
    body = {"error": {"code": 401, "message": "bad token", "status": "UNAUTHENTICATED"}}
    response = HttpResponse(401, {}, json.dumps([body]).encode())
    for model in ("claude-opus-5", "gemini-3-pro"):
        assert VERTEX.error(response, vertex(model)).kind.type == "provider_credentials"


def test_what_is_not_claude_s_is_gemini_s() -> None:
    url, _, body = encoded(vertex("gemini-3-pro", project="p"))
    assert url.endswith("/publishers/google/models/gemini-3-pro:generateContent")
    assert "contents" in body


def test_every_model_of_the_catalogue_goes_to_its_maker() -> None:
    assert VENDORS["vertex"].dialect == "vertex"
    seen = set()
    for name, entry in load().items():
        if "vertex" in entry.upstream:
            url, *_ = encoded(vertex(entry.upstream["vertex"], project="p"))
            assert ("rawPredict" in url) == (entry.creator == "Anthropic"), name
            seen.add(entry.creator)
    assert len(seen) > 1
