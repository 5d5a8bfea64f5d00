"""Failures that Bedrock tells of, by class, wording and status."""

from __future__ import annotations

import json

import pytest

from callgate.core.http import HttpResponse
from callgate.errors import GatewayError
from callgate.providers.bedrock.dialect import Bedrock

from .samples import SECRET, target_of

SUFFIX = ":http://internal.amazon.com/coral/com.amazon.bedrock/"


def error(status: int, class_: str, message: str = "no", **headers: str) -> GatewayError:
    given = {"x-amzn-errortype": class_ and class_ + SUFFIX, **headers}
    body = json.dumps({"message": message}).encode()
    return Bedrock().error(HttpResponse(status, given, body), target_of("bedrock"))


@pytest.mark.parametrize(
    ("status", "class_", "kind"),
    [
        (400, "ValidationException", "provider_rejected"),
        (400, "ServiceQuotaExceededException", "provider_refused"),
        (403, "AccessDeniedException", "provider_refused"),
        (403, "UnrecognizedClientException", "provider_credentials"),
        (403, "ExpiredTokenException", "provider_credentials"),
        (403, "InvalidSignatureException", "provider_credentials"),
        (403, "MissingAuthenticationTokenException", "provider_credentials"),
        (404, "ResourceNotFoundException", "provider_model_missing"),
        (404, "com.amazon.coral.service#UnknownOperationException", "provider_model_missing"),
        (408, "ModelTimeoutException", "upstream_timeout"),
        (413, "RequestEntityTooLargeException", "provider_request_too_large"),
        (424, "ModelErrorException", "provider_unavailable"),
        (429, "ThrottlingException", "provider_rate_limited"),
        (429, "ModelNotReadyException", "provider_unavailable"),
        (500, "InternalServerException", "provider_unavailable"),
        (503, "ServiceUnavailableException", "provider_unavailable"),
        (400, "", "provider_rejected"),
        (403, "", "provider_refused"),
        (404, "", "provider_model_missing"),
        (429, "", "provider_rate_limited"),
        (500, "", "provider_unavailable"),
        (504, "", "upstream_timeout"),
        (302, "", "bad_upstream_reply"),
    ],
)
def test_the_class_decides_and_else_the_status(status: int, class_: str, kind: str) -> None:
    assert error(status, class_).kind.type == kind


@pytest.mark.parametrize(
    ("class_", "kind"),
    [
        ("ThrottlingException", "provider_rate_limited"),
        ("com.amazon.coral.service#UnrecognizedClientException", "provider_credentials"),
        ("", "provider_rejected"),
    ],
)
def test_without_the_header_the_body_names_the_class(class_: str, kind: str) -> None:
    body = json.dumps({"__type": class_, "Message": "no"}).encode()
    found = Bedrock().error(HttpResponse(400, {}, body), target_of("bedrock"))
    assert found.kind.type == kind
    assert (found.detail or "").endswith(": no")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("Input is too long for requested model.", "context_too_long"),
        ("prompt is too long: 210000 tokens > 200000 maximum", "context_too_long"),
        ("input length and `max_tokens` exceed context limit: 9 + 9 > 10", "context_too_long"),
        ("This model's maximum context length is 8192 tokens.", "context_too_long"),
        ("The provided model identifier is invalid.", "provider_model_missing"),
        ("The value at max_tokens is too large", "provider_rejected"),
        ("Malformed input request: #: required key [messages] not found", "provider_rejected"),
    ],
)
def test_the_wording_tells_what_a_validation_was_about(message: str, kind: str) -> None:
    found = error(400, "ValidationException", message)
    assert found.kind.type == kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("You don't have access to the model with the specified model ID.", "provider_refused"),
        ("Authentication failed: Please make sure your API Key is valid.", "provider_credentials"),
    ],
)
def test_access_that_is_denied_is_about_the_key_or_about_the_model(message: str, kind: str) -> None:
    assert error(403, "AccessDeniedException", message).kind.type == kind


def test_a_throttled_day_is_no_long_prompt() -> None:
    found = error(429, "ThrottlingException", "Too many tokens per day", **{"retry-after": "7"})
    assert (found.kind.type, found.retry_after) == ("provider_rate_limited", 7)


def test_the_operators_secrets_are_masked() -> None:
    found = error(403, "AccessDeniedException", f"key {SECRET} of AKIAABCDEFGHIJKLMNOP")
    assert SECRET not in f"{found.message}{found.detail}"
    assert "AKIA" not in f"{found.message}{found.detail}"
