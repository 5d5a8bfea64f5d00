"""Failures told in the Anthropic dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.http import HttpResponse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.anthropic.dialect import Anthropic

from .samples import SECRET, target_of


@pytest.fixture
def target() -> Target:
    return target_of("anthropic")


def error(target: Target, status: int, body: Any, **headers: str) -> GatewayError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Anthropic().error(HttpResponse(status, named, data), target)


def told(kind: str, message: str = "some words") -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


INVALID = "invalid_request_error"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, told(INVALID), "provider_rejected"),
        (400, told(INVALID, "prompt is too long: 250000 tokens > 200000 maximum"),
         "context_too_long"),
        (400, told(INVALID, "input length and `max_tokens` exceed context limit: 1 + 2 > 2, …"),
         "context_too_long"),
        (400, told(INVALID, "Your credit balance is too low to access the Anthropic API."),
         "provider_refused"),
        (400, told(INVALID, "You have reached your specified API usage limits. You will regain …"),
         "provider_refused"),
        (400, told(INVALID, "Output blocked by content filtering policy"), "content_filtered"),
        (401, told("authentication_error"), "provider_credentials"),
        (402, told("billing_error"), "provider_refused"),
        (403, told("permission_error"), "provider_refused"),
        (404, told("not_found_error", "model: claude-none"), "provider_model_missing"),
        (409, told("conflict_error"), "provider_rejected"),
        (413, told("request_too_large"), "provider_request_too_large"),
        (413, b"<html>413 Request Entity Too Large</html>", "provider_request_too_large"),
        (429, told("rate_limit_error"), "provider_rate_limited"),
        (500, told("api_error"), "provider_unavailable"),
        (504, told("timeout_error"), "upstream_timeout"),
        (529, told("overloaded_error"), "provider_unavailable"),
        (503, b"upstream connect error or disconnect/reset before headers", "provider_unavailable"),
        (524, b"", "upstream_timeout"),
        (302, b"", "bad_upstream_reply"),
        # llama.cpp
        (400, {"error": {"code": 400, "message": "the request exceeds the context size",
                         "type": "exceed_context_size_error"}}, "context_too_long"),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
         "provider_unavailable"),
        # Vertex AI
        (429, [{"error": {"code": 429, "message": "Quota exceeded",
                          "status": "RESOURCE_EXHAUSTED"}}], "provider_rate_limited"),
        (403, {"error": {"code": 403, "message": "m", "status": "PERMISSION_DENIED"}},
         "provider_refused"),
        (401, {"error": {"code": 401, "message": "m", "status": "UNAUTHENTICATED"}},
         "provider_credentials"),
        (200, {"error": {"code": 504, "message": "m", "status": "DEADLINE_EXCEEDED"}},
         "upstream_timeout"),
        (200, {"error": {"code": 500, "message": "m", "status": "INTERNAL"}},
         "provider_unavailable"),
        (400, {"error": {"code": 400, "message": "m", "status": "FAILED_PRECONDITION"}},
         "provider_rejected"),
        # within a stream, where no status helps
        *((200, told(word), kind) for word, kind in (
            ("authentication_error", "provider_credentials"), ("billing_error", "provider_refused"),
            ("permission_error", "provider_refused"), ("not_found_error", "provider_model_missing"),
            ("request_too_large", "provider_request_too_large"),
            ("rate_limit_error", "provider_rate_limited"), ("timeout_error", "upstream_timeout"),
            ("api_error", "provider_unavailable"), ("overloaded_error", "provider_unavailable"),
            (INVALID, "provider_rejected"), ("a_new_error", "bad_upstream_reply"))),
        # nonsense
        (400, {"error": "plain words"}, "provider_rejected"),
        (400, {"error": {"message": 3, "type": ["x"]}}, "provider_rejected"),
        (400, [], "provider_rejected"),
        (418, [[]], "provider_rejected"),
        (500, b"\xff\xfe", "provider_unavailable"),
    ],
)  # fmt: skip
def test_status_and_type_lead_to_a_row(target: Target, status: int, body: Any, kind: str) -> None:
    assert error(target, status, body).kind.type == kind


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ("tools.3.custom.input_schema: Input does not match the expected shape.", "tools[3]"),
        ("output_config.format.schema: For 'object' type, …", "response_format"),
        ("output_format.schema: Field required", "response_format"),
        ("max_tokens: 128000 > 64000, which is the maximum", "max_tokens"),
        ("thinking.enabled.budget_tokens: Input should be greater", "thinking"),
        ("output_config.effort: Input should be 'low', 'medium' or 'high'", "reasoning_effort"),
        ("metadata.user_id: user_id appears to contain an email address", "user"),
        ("stop_sequences: each stop sequence must contain non-whitespace", "stop"),
        ("messages.0: all messages must have non-empty content", None),
    ],
)
def test_a_message_about_a_field_names_the_callers_field(
    target: Target, message: str, param: str | None
) -> None:
    found = error(target, 400, told(INVALID, message))
    assert found.param == param
    assert message in found.message


def test_the_wait_is_what_the_header_says(target: Target) -> None:
    limited = told("rate_limit_error")
    assert error(target, 429, limited, retry_after="7").retry_after == 7
    reset = error(target, 429, limited, anthropic_ratelimit_tokens_reset="2026-01-01T00:00:00Z")
    assert reset.retry_after is None
    assert error(target, 400, told(INVALID), retry_after="7").retry_after is None


def test_what_concerns_the_operator_is_not_told_to_the_caller(target: Target) -> None:
    found = error(target, 401, told("authentication_error", f"invalid x-api-key {SECRET}"))
    assert "x-api-key" not in found.message
    assert "invalid x-api-key" in (found.detail or "")
    assert SECRET not in f"{found.message} {found.detail} {found.errors}"
