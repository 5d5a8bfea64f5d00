"""Failures told in the Messages API's dialect, as rows of the taxonomy.

https://docs.anthropic.com/en/api/errors; a row is found by the error's type, by its wording where
`invalid_request_error` stands for many things, else by the status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from callgate.core.http import HttpResponse
from callgate.core.jsontext import parse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.failure import CLOUDFLARE, STATUS, by_status, clip, failure, prose
from callgate.providers.retry_after import retry_after

_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "authentication_error": "provider_credentials",
        "billing_error": "provider_refused",
        "permission_error": "provider_refused",
        "not_found_error": "provider_model_missing",
        "request_too_large": "provider_request_too_large",
        "rate_limit_error": "provider_rate_limited",
        "timeout_error": "upstream_timeout",
        "api_error": "provider_unavailable",
        "overloaded_error": "provider_unavailable",
        # llama.cpp
        "exceed_context_size_error": "context_too_long",
        "unavailable_error": "provider_unavailable",
        "server_error": "provider_unavailable",
        # Google, where Claude is served by Vertex AI: https://cloud.google.com/apis/design/errors
        "unauthenticated": "provider_credentials",
        "permission_denied": "provider_refused",
        "not_found": "provider_model_missing",
        "resource_exhausted": "provider_rate_limited",
        "deadline_exceeded": "upstream_timeout",
        "unavailable": "provider_unavailable",
        "internal": "provider_unavailable",
    }
)
_ABOUT_REQUEST = frozenset({"invalid_request_error", "invalid_argument", "failed_precondition"})

_STATUS: Mapping[int, str] = MappingProxyType({**STATUS, **CLOUDFLARE, 402: "provider_refused"})

_WORDINGS = tuple(
    (re.compile(pattern), kind)
    for pattern, kind in (
        (r"(?i:prompt|input) is too long", "context_too_long"),
        (r"input length and `max_tokens` exceed context limit", "context_too_long"),
        (r"Your credit balance is too low", "provider_refused"),
        (r"You have reached your specified (?:workspace )?API usage limits", "provider_refused"),
        (r"This organization has been disabled", "provider_refused"),
        (r"Output blocked by content filtering policy", "content_filtered"),
    )
)

_PARAMS = tuple(
    (re.compile(pattern), param)
    for pattern, param in (
        (r"tools\.(\d+)\b", r"tools[\1]"),
        (r"output_(?:config\.)?format\b", "response_format"),
        (r"output_config\.effort\b", "reasoning_effort"),
        (r"metadata\.user_id\b", "user"),
        (r"stop_sequences\b", "stop"),
        (
            r"(max_tokens|temperature|top_p|top_k|thinking|tool_choice|service_tier)(?:[.:]|\b)",
            r"\1",
        ),
    )
)
"""How a message begins that is about a field, and the caller's name of it."""


class Fault(NamedTuple):
    """An error object; `type` is in lower case."""

    text: str = ""
    type: str = ""


def from_response(response: HttpResponse, target: Target) -> GatewayError:
    """The failure that a response tells of by a status outside 200 to 299."""
    try:
        fault = _read(parse(response.body))
    except ValueError:
        fault = Fault(prose(response.body))
    return _error(fault, response.status, target, retry_after(response.headers))


def from_object(value: object, target: Target) -> GatewayError:
    """The failure that an error object tells of within a response of status 200."""
    return _error(_read(value), 200, target, None)


def _read(value: object) -> Fault:
    if isinstance(value, list) and value:  # Google wraps the object into a list
        value = value[0]
    error = value.get("error") if isinstance(value, dict) else value
    if isinstance(error, str):
        return Fault(clip(error))
    if not isinstance(error, dict):
        return Fault()
    text, kind = error.get("message"), error.get("type") or error.get("status")
    return Fault(
        clip(text) if isinstance(text, str) else "",
        kind.lower()[:100] if isinstance(kind, str) else "",
    )


def _error(fault: Fault, status: int, target: Target, wait: float | None) -> GatewayError:
    kind, param = _kind(fault, status), _param(fault.text)
    return failure(kind, target, status, fault.text, code=fault.type, param=param, wait=wait)


def _kind(fault: Fault, status: int) -> str:
    if fault.type in _TYPES:
        return _TYPES[fault.type]
    if status < 429:
        for wording, kind in _WORDINGS:
            if wording.search(fault.text):
                return kind
    if fault.type in _ABOUT_REQUEST and status in (200, 400, 409, 422):
        return "provider_rejected"
    return by_status(_STATUS, status)


def _param(text: str) -> str | None:
    for wording, param in _PARAMS:
        match = wording.match(text)
        if match is not None:
            return match.expand(param)
    return None
