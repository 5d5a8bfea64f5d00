"""Failures in Google's words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.http import HttpResponse
from callgate.providers.registry import dialect

from .samples import SECRET, target_of

GEMINI = dialect("gemini")


def fault(status: int, state: str, message: str = "m", *details: dict[str, Any]) -> bytes:
    error = {"code": status, "message": message, "status": state, "details": list(details)}
    return json.dumps({"error": error}).encode()


def info(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, fault(400, "INVALID_ARGUMENT"), "provider_rejected"),
        (400, fault(400, "INVALID_ARGUMENT", "x", info("API_KEY_INVALID")), "provider_credentials"),
        (400, fault(400, "INVALID_ARGUMENT", "API key expired. Renew"), "provider_credentials"),
        (
            400,
            fault(400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number "
                  "of tokens allowed (8)."),
            "context_too_long",
        ),
        (
            400,
            fault(400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520"),
            "provider_request_too_large",
        ),
        (400, fault(400, "FAILED_PRECONDITION", "User location is not"), "provider_refused"),
        (400, fault(400, "FAILED_PRECONDITION", "enable billing"), "provider_refused"),
        (401, fault(401, "UNAUTHENTICATED"), "provider_credentials"),
        (403, fault(403, "PERMISSION_DENIED", "x", info("SERVICE_DISABLED")), "provider_refused"),
        (
            403,
            fault(403, "PERMISSION_DENIED", "You do not have permission to access the File x"),
            "provider_rejected",
        ),
        (404, fault(404, "NOT_FOUND"), "provider_model_missing"),
        (413, b"<html>too large</html>", "provider_request_too_large"),
        (429, fault(429, "RESOURCE_EXHAUSTED"), "provider_rate_limited"),
        (499, fault(499, "CANCELLED"), "provider_unavailable"),
        (500, fault(500, "INTERNAL"), "provider_unavailable"),
        (502, b"<html>Bad Gateway</html>", "provider_unavailable"),
        (503, b"[" + fault(503, "UNAVAILABLE", "The model is overloaded") + b"]",
         "provider_unavailable"),
        (504, fault(504, "DEADLINE_EXCEEDED"), "upstream_timeout"),
        (418, b"", "provider_rejected"),
        (302, b"", "bad_upstream_reply"),
    ],
)  # fmt: skip
def test_each_failure_of_googles_is_a_row_of_the_taxonomy(
    status: int, body: bytes, kind: str
) -> None:
    error = GEMINI.error(HttpResponse(status, {}, body), target_of("gemini"))
    assert error.kind.type == kind
    assert error.param is None


def test_the_wait_stands_in_the_details() -> None:
    delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "48.5s"}
    body = fault(429, "RESOURCE_EXHAUSTED", "x", delay)
    error = GEMINI.error(HttpResponse(429, {}, body), target_of("gemini"))
    assert error.retry_after == 48.5
    plain = GEMINI.error(HttpResponse(503, {"retry-after": "7"}, b""), target_of("gemini"))
    assert plain.retry_after == 7


def test_fields_at_fault_are_listed() -> None:
    violation = {"field": "contents[0].parts", "description": "must not be empty"}
    body = fault(400, "INVALID_ARGUMENT", "bad", {"fieldViolations": [violation]})
    error = GEMINI.error(HttpResponse(400, {}, body), target_of("gemini"))
    assert error.errors == ("contents[0].parts: must not be empty",)


@pytest.mark.parametrize("state", ["UNAUTHENTICATED", "INVALID_ARGUMENT", "INTERNAL"])
def test_no_error_tells_the_key(state: str) -> None:
    body = fault(400, state, f"bad key {SECRET}")
    error = GEMINI.error(HttpResponse(400, {}, body), target_of("gemini"))
    assert SECRET not in f"{error.message} {error.detail} {error.errors}"
