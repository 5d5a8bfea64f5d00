"""Failures told in the OpenAI dialect, as rows of the taxonomy."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.core.http import HttpResponse
from callgate.core.retry import reaction
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.openai.dialect import OpenAI

from .samples import SECRET, target_of

WRONG_KEY = "Incorrect API key provided: x"
TOO_LONG = "This model's maximum context length is 8192 tokens."
BAD_REQUEST = "invalid_request_error"


def told(
    status: int, body: Any, target: Target, headers: dict[str, str] | None = None
) -> GatewayError:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OpenAI().error(HttpResponse(status, headers or {}, data), target)


def error(**fields: Any) -> dict[str, Any]:
    return {"error": {"message": "their words", **fields}}


NO_TOOLS = (
    "Function tools with reasoning_effort are not supported for gpt-6-sol in /v1/chat/completions. "
    "To use function tools, use /v1/responses or set reasoning_effort to 'none'."
)


@pytest.mark.parametrize(
    ("status", "body", "type_"),
    [
        (400, error(), "provider_rejected"),
        (400, error(code="context_length_exceeded"), "context_too_long"),
        (400, error(code=400, type="exceed_context_size_error"), "context_too_long"),
        (400, error(code="content_filter", param="prompt"), "content_filtered"),
        (400, error(code="content_policy_violation"), "content_filtered"),
        (400, error(code="data_inspection_failed"), "content_filtered"),
        (400, error(code="Arrearage"), "provider_refused"),
        (400, error(type="invalid_model"), "provider_model_missing"),
        (
            400,
            {"code": "Client specified an invalid argument", "error": WRONG_KEY},
            "provider_credentials",
        ),
        (400, error(message=TOO_LONG), "context_too_long"),
        (400, error(message=f"I wrote: {TOO_LONG}"), "provider_rejected"),
        (401, error(code="invalid_api_key", type="invalid_request_error"), "provider_credentials"),
        (401, {"detail": "Unauthorized"}, "provider_credentials"),
        (400, error(message=NO_TOOLS, type=BAD_REQUEST), "unsupported_field"),
        (402, error(code="invalid_request_error"), "provider_refused"),
        (403, error(), "provider_refused"),
        (403, error(code="unsupported_country_region_territory"), "provider_refused"),
        (403, error(code="model_not_found", type=BAD_REQUEST), "provider_model_missing"),
        (403, error(type="invalid_request_error"), "provider_rejected"),
        (403, error(param="logprobs"), "provider_rejected"),
        (403, error(metadata={"reasons": ["x"], "flagged_input": "y"}), "content_filtered"),
        (404, error(), "provider_model_missing"),
        (404, error(code="model_not_found", param="model"), "provider_model_missing"),
        (404, error(type="invalid_request_error", param="model"), "provider_model_missing"),
        (404, error(type="invalid_request_error"), "provider_rejected"),
        (
            404,
            error(type="invalid_request_error", code="not_found_error"),
            "provider_model_missing",
        ),
        (404, error(message="No endpoints found that support image input"), "provider_rejected"),
        (405, b"", "provider_model_missing"),
        (408, b"upstream request timeout", "upstream_timeout"),
        (413, b"too large", "provider_request_too_large"),
        (413, error(type="tokens", code="rate_limit_exceeded"), "provider_request_too_large"),
        (418, b"", "provider_rejected"),
        (422, {"detail": [{"loc": ["body", "n"], "msg": "no"}]}, "provider_rejected"),
        (429, error(), "provider_rate_limited"),
        (429, error(type="insufficient_quota", code="insufficient_quota"), "provider_refused"),
        (429, error(type="exceeded_current_quota_error"), "provider_refused"),
        (429, error(type="engine_overloaded_error"), "provider_unavailable"),
        (498, b"", "provider_unavailable"),
        (500, error(type="server_error"), "provider_unavailable"),
        (502, b"<html>", "provider_unavailable"),
        (503, b"", "provider_unavailable"),
        (504, b"", "upstream_timeout"),
        (524, b"", "upstream_timeout"),
        (529, error(type="overloaded_error"), "provider_unavailable"),
        (599, b"", "provider_unavailable"),
        (301, b"", "bad_upstream_reply"),
        (200, b"", "bad_upstream_reply"),
    ],
)  # fmt: skip
def test_every_failure_has_its_row(status: int, body: Any, type_: str, target: Target) -> None:
    assert told(status, body, target).kind.type == type_


def test_the_caller_reads_what_the_provider_said_of_the_request(target: Target) -> None:
    failure = told(400, error(param="messages[0].role"), target)
    assert failure.message == "openai rejected the request: their words"
    assert failure.param == "messages[0].role"


@pytest.mark.parametrize("status", [401, 403, 404, 408, 429, 500, 503])
def test_the_callers_message_holds_none_of_the_providers_words_else(
    status: int, target: Target
) -> None:
    failure = told(status, error(message=f"key {SECRET} of org-123456789", param=None), target)
    assert "key" not in failure.message.replace("keys", "")
    assert "their" not in failure.message
    assert SECRET not in f"{failure.message} {failure.errors} {failure.detail}"
    assert "org-123456789" not in str(failure.detail)
    assert failure.param is None


def test_what_a_validator_says_to_the_operator_is_not_for_the_caller(target: Target) -> None:
    failure = told(401, {"detail": [{"loc": ["header"], "msg": "bad key"}]}, target)
    assert failure.errors == (failure.message,)


def test_secrets_are_masked_in_what_the_caller_reads(target: Target) -> None:
    failure = told(400, error(message=f"bad header {SECRET} and sk-abcdef123456"), target)
    assert failure.message == "openai rejected the request: bad header [redacted] and [redacted]"
    assert SECRET not in str(failure.detail)


def test_a_validators_list_becomes_the_list_of_faults(target: Target) -> None:
    rows = [{"loc": ["body", "tools", 0], "msg": "Field required"}, {"msg": "odd"}, 7, {}]
    for body in ({"detail": rows}, {"message": {"detail": rows}}, {"message": rows}):
        failure = told(422, body, target)
        assert failure.errors == ("body.tools.0: Field required", "odd")
        assert "Field required; odd" in failure.message


def test_tools_that_openai_wants_asked_for_elsewhere_are_a_field_it_does_not_take(
    target: Target,
) -> None:
    refused = told(400, error(message=NO_TOOLS, param="reasoning_effort"), target)
    assert refused.param == "reasoning_effort"
    assert NO_TOOLS in refused.message
    assert "none" in refused.fix
    assert "`responses`" in refused.fix
    assert reaction(refused).elsewhere  # Bedrock and OpenRouter give the same model tools


def test_what_openrouter_was_told_is_handed_on(target: Target) -> None:
    raw = json.dumps({"error": {"message": "images are too large"}})
    body = {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": raw}}}
    assert told(400, body, target).message.endswith("images are too large")


def test_a_list_around_the_error_is_looked_into(target: Target) -> None:
    failure = told(400, [{"error": {"code": 400, "message": "inner", "status": "X"}}], target)
    assert failure.message.endswith("inner")


@pytest.mark.parametrize("body", [b"", b"\x00\xff", b"null", b"[]", b"{}", b"7", b'{"error": 5}'])
def test_a_body_that_says_nothing_is_tolerated(body: bytes, target: Target) -> None:
    failure = told(400, body, target)
    assert failure.kind.type == "provider_rejected"
    assert failure.message


def test_messages_are_bounded(target: Target) -> None:
    failure = told(400, error(message="x y " * 100_000, param="p" * 100_000), target)
    assert len(failure.message) < 1100
    assert len(str(failure.detail)) <= 1000
    assert len(str(failure.param)) <= 200


def test_the_time_to_wait_is_told(target: Target) -> None:
    wait = {"retry-after": "7"}
    assert told(429, error(), target, wait).retry_after == 7
    assert told(503, b"", target, wait).retry_after == 7
    assert told(400, error(), target, wait).retry_after is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["error", "message", "detail", "code", "type", "param", "metadata", "raw", "loc", "msg"]
        ),
        inner, max_size=5,
    ),
    max_leaves=8,
)  # fmt: skip


@given(st.integers(100, 999), JSON)
@settings(deadline=None)
def test_any_json_at_any_status_gives_an_error(status: int, body: Any) -> None:
    assert told(status, body, target_of()).message
