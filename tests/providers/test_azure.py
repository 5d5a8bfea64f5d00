"""Azure's paths and answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from callgate.core.http import HttpResponse, split_url
from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.auth import authorize
from callgate.providers.azure import Azure
from callgate.providers.registry import dialect

from .samples import SECRET, Record, response_of, target_of

DIALECT = Azure()
KINDS = {
    401: "provider_credentials",
    404: "provider_model_missing",
    408: "upstream_timeout",
    413: "provider_request_too_large",
    429: "provider_rate_limited",
    500: "provider_unavailable",
}
REQUEST = {"model": "asked", "messages": [{"role": "user", "content": "Hi"}]}


def azure(base_url: str, *, vendor: str = "azure", model: str = "gpt 4o", **options: str) -> Target:
    target = target_of(vendor, upstream_model=model)
    origin, path = split_url(base_url)
    at = replace(target.deployment, origin=origin, path=path, options=options)
    return target.replace(deployment=at)


@pytest.mark.parametrize(
    ("base_url", "options", "path"),
    [
        ("", {}, "/openai/deployments/gpt%204o/chat/completions?api-version=2024-10-21"),
        (
            "/openai",
            {"api_version": "2025-04-01-preview"},
            "/openai/deployments/gpt%204o/chat/completions?api-version=2025-04-01-preview",
        ),
        ("/openai/v1", {}, "/openai/v1/chat/completions"),
        (
            "/openai/v1",
            {"api_version": "preview"},
            "/openai/v1/chat/completions?api-version=preview",
        ),
        ("/models", {}, "/models/chat/completions?api-version=2024-05-01-preview"),
    ],
)
def test_each_kind_of_base_url_has_its_path(
    base_url: str, options: dict[str, str], path: str
) -> None:
    target = azure(f"https://res.openai.azure.com{base_url}", **options)
    sent = DIALECT.encode(parse_chat(json.dumps(REQUEST).encode()), target)
    assert sent.path == path
    assert json.loads(sent.body)["model"] == "gpt 4o"


def test_the_key_goes_into_azures_own_header() -> None:
    target = azure("https://res.openai.azure.com")
    sent = DIALECT.encode(parse_chat(json.dumps(REQUEST).encode()), target)
    signed = authorize(sent, target.deployment)
    assert ("api-key", SECRET) in signed.headers
    assert isinstance(dialect(target.deployment.vendor.dialect), Azure)


@pytest.mark.parametrize(
    ("vendor", "field"), [("azure", "max_completion_tokens"), ("azure-foundry", "max_tokens")]
)
def test_the_output_limit_has_the_name_that_each_takes(vendor: str, field: str) -> None:
    target = azure("https://res.services.ai.azure.com/models", vendor=vendor)
    sent = DIALECT.encode(parse_chat(json.dumps(REQUEST).encode()), target)
    assert json.loads(sent.body)[field] == 1000


@pytest.fixture
def chats(recordings: Callable[[str], list[Record]]) -> list[Record]:
    return [
        record
        for record in recordings("chat.completions")
        if {"azure", "azure_foundry"} & set(record["tags"])
    ]


def test_recorded_paths_are_those_that_are_made(chats: list[Record]) -> None:
    seen = 0
    for record in chats:
        path, _, query = record["request"]["path"].partition("?")
        version = query.removeprefix("api-version=")
        base = path.removesuffix("/chat/completions")
        model = "m"
        if "/deployments/" in base:
            base, _, model = base.partition("/deployments/")
            if not version:
                continue  # what was sent without a version was refused or an old proxy's
        elif not base:
            continue
        options = {"api_version": version} if version else {}
        target = azure(f"https://res.openai.azure.com/{base.strip('/')}", model=model, **options)
        sent = DIALECT.encode(parse_chat(json.dumps(REQUEST).encode()), target)
        assert sent.path.strip("/") == record["request"]["path"].strip("/"), record["id"]
        seen += 1
    assert seen > 20


def test_recorded_answers_and_errors_are_understood(chats: list[Record]) -> None:
    target = azure("https://res.openai.azure.com")
    whole = streamed = failed = 0
    for record in chats:
        response = record["response"]
        if response["status"] != 200:
            assert DIALECT.error(response_of(record), target).kind.type == KINDS[response["status"]]
            failed += 1
        elif not record["stream"]:
            answer = DIALECT.decode(response_of(record), target)
            told = response["body"]["choices"][0]
            given = answer.choices[0]
            assert (given["message"]["content"] or "") == (told["message"].get("content") or "")
            assert answer.extra.get("prompt_filter_results") == response["body"].get(
                "prompt_filter_results"
            )
            whole += 1
        elif "stream_error" not in record["tags"]:
            decoder = DIALECT.decoder(target)
            data = response["body"].encode()
            chunks = [*decoder.feed(data), *decoder.close()]
            assert decoder.done, record["id"]
            if b"prompt_filter_results" in data:
                assert any("prompt_filter_results" in chunk.extra for chunk in chunks)
            streamed += 1
    assert whole > 10
    assert streamed > 5
    assert failed > 3


def test_a_prompt_that_the_filter_refused_is_told_as_that() -> None:
    filtered: dict[str, Any] = {
        "error": {
            "message": "The response was filtered due to the prompt triggering the policy.",
            "type": None,
            "param": "prompt",
            "code": "content_filter",
            "status": 400,
            "innererror": {
                "code": "ResponsibleAIPolicyViolation",
                "content_filter_result": {"violence": {"filtered": True, "severity": "high"}},
            },
        }
    }
    target = azure("https://res.openai.azure.com")
    error: GatewayError = DIALECT.error(
        HttpResponse(400, {}, json.dumps(filtered).encode()), target
    )
    assert error.kind.type == "content_filtered"
