"""Failures told by Google, as rows of the taxonomy.

https://google.aip.dev/193 is the shape, https://ai.google.dev/gemini-api/docs/troubleshooting and
https://cloud.google.com/vertex-ai/generative-ai/docs/error-code-429 the words. A row is found by
the reason in the details, else by wording where Google gives nothing better, else by the status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from callgate.core.chat import Json
from callgate.core.http import HttpResponse
from callgate.core.jsontext import parse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.failure import STATUS, by_status, clip, failure, prose
from callgate.providers.retry_after import LONGEST, duration, retry_after

_MAX_ERRORS = 20

_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "API_KEY_INVALID": "provider_credentials",  # comes with a 400
        "CREDENTIALS_MISSING": "provider_credentials",
        "ACCESS_TOKEN_EXPIRED": "provider_credentials",
        "ACCESS_TOKEN_TYPE_UNSUPPORTED": "provider_credentials",
        "ACCOUNT_STATE_INVALID": "provider_credentials",
        "API_KEY_SERVICE_BLOCKED": "provider_refused",
        "API_KEY_HTTP_REFERRER_BLOCKED": "provider_refused",
        "API_KEY_IP_ADDRESS_BLOCKED": "provider_refused",
        "SERVICE_DISABLED": "provider_refused",
        "BILLING_DISABLED": "provider_refused",
        "CONSUMER_INVALID": "provider_refused",
        "CONSUMER_SUSPENDED": "provider_refused",
        "IAM_PERMISSION_DENIED": "provider_refused",
        "RATE_LIMIT_EXCEEDED": "provider_rate_limited",
    }
)
"""`google.rpc.ErrorInfo.reason`."""

_WORDINGS = tuple(
    (re.compile(pattern, re.DOTALL), kind)
    for pattern, kind in (
        (r"The input token count .*exceeds the maximum number of tokens", "context_too_long"),
        (r"The input token count is \d+ but model only supports", "context_too_long"),
        (r"Unable to submit request because the input token count is", "context_too_long"),
        (r"API key (?:not valid|expired|not found)", "provider_credentials"),
        (r"Request payload size exceeds the limit", "provider_request_too_large"),
        (r".*unexpected model name format", "provider_model_missing"),
        (r"User location is not supported", "provider_refused"),
        (r"You do not have permission to access the File ", "provider_rejected"),
    )
)
"""What Google tells with INVALID_ARGUMENT or PERMISSION_DENIED alone."""

_STATES: Mapping[str, str] = MappingProxyType(
    {
        "INVALID_ARGUMENT": "provider_rejected",
        "OUT_OF_RANGE": "provider_rejected",
        "UNIMPLEMENTED": "provider_rejected",
        "FAILED_PRECONDITION": "provider_refused",  # the account's region or billing
        "UNAUTHENTICATED": "provider_credentials",
        "PERMISSION_DENIED": "provider_refused",
        "NOT_FOUND": "provider_model_missing",
        "RESOURCE_EXHAUSTED": "provider_rate_limited",
        "CANCELLED": "provider_unavailable",
        "ABORTED": "provider_unavailable",
        "UNKNOWN": "provider_unavailable",
        "INTERNAL": "provider_unavailable",
        "DATA_LOSS": "provider_unavailable",
        "UNAVAILABLE": "provider_unavailable",
        "DEADLINE_EXCEEDED": "upstream_timeout",
    }
)
"""`google.rpc.Code`."""

_STATUS: Mapping[int, str] = MappingProxyType({**STATUS, 499: "provider_unavailable"})


class _Fault(NamedTuple):
    text: str = ""
    code: int = 0
    state: str = ""
    reason: str = ""
    errors: tuple[str, ...] = ()
    wait: float | None = None


def from_response(response: HttpResponse, target: Target) -> GatewayError:
    """The failure that a response tells of by a status outside 200 to 299."""
    try:
        fault = _read(parse(response.body))
    except ValueError:
        fault = _Fault(prose(response.body))
    wait = fault.wait or retry_after(response.headers)
    return _error(fault._replace(wait=wait), response.status, target)


def from_object(value: object, target: Target) -> GatewayError:
    """The failure that an error object tells of within a response of status 200."""
    fault = _read(value)
    return _error(fault, fault.code or 200, target)


def blocked(feedback: object, target: Target) -> GatewayError | None:
    """The refusal that `promptFeedback` tells of; None where it tells of none."""
    reason = feedback.get("blockReason") if isinstance(feedback, dict) else None
    if not isinstance(feedback, dict) or not reason:
        return None
    told = feedback.get("blockReasonMessage")
    text = f"{reason}: {told}" if isinstance(told, str) and told else str(reason)
    return _made("content_filtered", _Fault(clip(text)), 200, target)


def _error(fault: _Fault, status: int, target: Target) -> GatewayError:
    return _made(_kind(fault, status), fault, status, target)


def _kind(fault: _Fault, status: int) -> str:
    if fault.reason in _REASONS:
        return _REASONS[fault.reason]
    if fault.state in ("INVALID_ARGUMENT", "PERMISSION_DENIED", "FAILED_PRECONDITION"):
        for wording, kind in _WORDINGS:
            if wording.match(fault.text):
                return kind
    if fault.state in _STATES:
        return _STATES[fault.state]
    return by_status(_STATUS, status)


def _made(kind: str, fault: _Fault, status: int, target: Target) -> GatewayError:
    return failure(
        kind,
        target,
        status,
        fault.text,
        code=" ".join(word for word in (fault.state, fault.reason) if word),
        errors=fault.errors,
        wait=fault.wait,
    )


def _read(value: object) -> _Fault:
    if isinstance(value, list) and value:  # a stream that is asked for without alt=sse
        value = value[0]
    error: Any = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, str):
        return _Fault(clip(error))
    if not isinstance(error, dict):
        return _Fault()
    details = error.get("details")
    rows = [row for row in details if isinstance(row, dict)] if isinstance(details, list) else []
    code = error.get("code")
    return _Fault(
        text=clip(_string(error, "message")),
        code=code if type(code) is int and 400 <= code <= 599 else 0,
        state=_string(error, "status")[:100],
        reason=next((_string(row, "reason")[:100] for row in rows if row.get("reason")), ""),
        errors=_violations(rows),
        wait=_delay(rows),
    )


def _violations(rows: list[Json]) -> tuple[str, ...]:
    """`google.rpc.BadRequest`: which fields are at fault, in Google's own paths."""
    told = []
    for row in rows:
        listed = row.get("fieldViolations")
        for one in listed[:_MAX_ERRORS] if isinstance(listed, list) else ():
            if isinstance(one, dict) and isinstance(one.get("description"), str):
                field = _string(one, "field")
                text = one["description"]
                told.append(clip(f"{field}: {text}" if field else text))
    return tuple(told[:_MAX_ERRORS])


def _delay(rows: list[Json]) -> float | None:
    """`google.rpc.RetryInfo.retryDelay`, in seconds."""
    for row in rows:
        seconds = duration(_string(row, "retryDelay"))
        if seconds > 0:
            return min(seconds, LONGEST)
    return None


def _string(given: Json, name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""
