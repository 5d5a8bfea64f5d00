"""Failures that Cohere tells of, as rows of the taxonomy.

https://docs.cohere.com/reference/errors: `{"id", "message"}`, of late with `error_type`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.http import HttpResponse
from callgate.core.jsontext import parse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.failure import STATUS, by_status, clip, failure, prose
from callgate.providers.retry_after import retry_after

_STATUS: Mapping[int, str] = MappingProxyType(
    {
        **STATUS,
        402: "provider_refused",
        498: "content_filtered",  # Cohere: "Blocked Input or Output"
        499: "provider_unavailable",
    }
)
_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "too_many_tokens": "context_too_long",
        "timeout": "upstream_timeout",
    }
)
_WORDINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        (r"too many tokens\b", "context_too_long"),
        (r"model '[^']{0,200}' not found", "provider_model_missing"),
        (r"model '[^']{0,200}' was removed", "provider_model_missing"),
        (r"invalid api token", "provider_credentials"),
        (r".{0,200}\bblocked\b.{0,200}\b(?:safety|content|harm)", "content_filtered"),
    )
)
_UNSOUND = "{provider} gave no valid answer: {text}"


def from_response(response: HttpResponse, target: Target) -> GatewayError:
    """The failure that a response tells of by a status outside 200 to 299."""
    try:
        body = parse(response.body)
    except ValueError:
        body = prose(response.body)
    return _error(body, response.status, target, retry_after(response.headers))


def from_object(body: object, target: Target) -> GatewayError:
    """The failure that an object tells of within a response of status 200."""
    return _error(body, 200, target, None)


def _error(body: object, status: int, target: Target, wait: float | None) -> GatewayError:
    text, type_ = body if isinstance(body, str) else "", ""
    if isinstance(body, dict):
        text = next(
            (body[key] for key in ("message", "error") if isinstance(body.get(key), str)), ""
        )
        type_ = body["error_type"] if isinstance(body.get("error_type"), str) else ""
    text = clip(text)
    kind = _kind(type_.lower(), text, status)
    message = _UNSOUND if kind == "bad_upstream_reply" else None
    return failure(kind, target, status, text, code=type_[:100], wait=wait, message=message)


def _kind(type_: str, text: str, status: int) -> str:
    if type_ in _TYPES:
        return _TYPES[type_]
    if status < 429:
        for wording, kind in _WORDINGS:
            if wording.match(text):
                return kind
    return by_status(_STATUS, status)
