"""Failures that Cohere tells of, as rows of the taxonomy.

https://docs.cohere.com/reference/errors: `{"id", "message"}`, of late with `error_type`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from callgate.core.http import HttpResponse
from callgate.core.jsontext import parse
from callgate.core.redact import redact
from callgate.core.target import Target
from callgate.errors import TAXONOMY, GatewayError
from callgate.providers.retry_after import retry_after
from callgate.providers.wording import MESSAGES

MAX_TEXT = 1000

_STATUS: Mapping[int, str] = MappingProxyType(
    {
        401: "provider_credentials",
        402: "provider_refused",
        403: "provider_refused",
        404: "provider_model_missing",
        405: "provider_model_missing",
        408: "upstream_timeout",
        413: "provider_request_too_large",
        429: "provider_rate_limited",
        498: "content_filtered",  # Cohere: "Blocked Input or Output"
        499: "provider_unavailable",
        504: "upstream_timeout",
    }
)
_CLASS: Mapping[int, str] = MappingProxyType(
    {2: "bad_upstream_reply", 4: "provider_rejected", 5: "provider_unavailable"}
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
_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        **MESSAGES,
        "bad_upstream_reply": "{provider} gave no sound answer: {text}",
    }
)


def from_response(response: HttpResponse, target: Target) -> GatewayError:
    """The failure that a response tells of by a status outside 200 to 299."""
    try:
        body = parse(response.body)
    except ValueError:
        body = response.body[:4000].decode("utf-8", "replace")
    return _error(body, response.status, target, retry_after(response.headers))


def from_object(body: object, target: Target) -> GatewayError:
    """The failure that an object tells of within a response of status 200."""
    return _error(body, 200, target, None)


def _error(body: object, status: int, target: Target, wait: float | None) -> GatewayError:
    deployment = target.deployment
    text, kind_ = body if isinstance(body, str) else "", ""
    if isinstance(body, dict):
        text = next(
            (body[key] for key in ("message", "error") if isinstance(body.get(key), str)), ""
        )
        kind_ = body["error_type"] if isinstance(body.get("error_type"), str) else ""
    text = text.strip()[:MAX_TEXT]
    kind = _kind(kind_.lower(), text, status)
    text = redact(text, (deployment.secret,))
    return GatewayError(
        kind,
        _MESSAGES[kind].format(
            provider=deployment.provider,
            model=target.model.name,
            status=status,
            text=text or f"status {status} without a message",
        ),
        retry_after=wait if TAXONOMY[kind].origin == "upstream" else None,
        detail=f"status {status} {kind_[:100]}: {text}"[:MAX_TEXT],
    )


def _kind(type_: str, text: str, status: int) -> str:
    if type_ in _TYPES:
        return _TYPES[type_]
    if status < 429:
        for wording, kind in _WORDINGS:
            if wording.match(text):
                return kind
    return _STATUS.get(status) or _CLASS.get(status // 100, "bad_upstream_reply")
