"""Failures that Amazon Bedrock tells of, as rows of the taxonomy.

https://docs.aws.amazon.com/bedrock/latest/userguide/troubleshooting-api-error-codes.html and
https://docs.aws.amazon.com/bedrock/latest/APIReference/CommonErrors.html. The class stands in the
header `x-amzn-errortype` alone, the words in the body, and within a stream both in a frame.
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

CLASS_HEADER = "x-amzn-errortype"

_CLASSES: Mapping[str, str] = MappingProxyType(
    {
        word: kind
        for kind, words in {
            "provider_rejected": ("validation", "serialization", "conflict"),
            "provider_credentials": (
                "unrecognizedclient", "expiredtoken", "invalidsignature", "signaturedoesnotmatch",
                "missingauthenticationtoken", "incompletesignature", "invalidclienttokenid",
                "missingauthentication", "requestexpired",
            ),
            "provider_refused": (
                "accessdenied", "servicequotaexceeded", "notauthorized", "optinrequired",
                "unauthorizedoperation",
            ),
            "provider_rate_limited": ("throttling", "toomanyrequests", "requestlimitexceeded"),
            "provider_model_missing": ("resourcenotfound", "unknownoperation"),
            "provider_request_too_large": ("requestentitytoolarge",),
            "provider_unavailable": (
                "serviceunavailable", "internalserver", "internalfailure", "modelnotready",
                "modelerror", "modelstreamerror",
            ),
            "upstream_timeout": ("modeltimeout",),
        }.items()
        for word in words
    }
)  # fmt: skip
"""Classes in lower case, without `Exception` or `Error` at their end."""

_STATUS: Mapping[int, str] = MappingProxyType({**STATUS, 424: "provider_unavailable"})

_AMBIGUOUS = frozenset({"provider_rejected", "provider_refused", "provider_model_missing"})
"""What a class or a status says so broadly that the words have to tell."""

_WORDINGS = tuple(
    (re.compile(pattern, re.IGNORECASE), kind)
    for pattern, kind in (
        # Amazon, Anthropic, Meta, Mistral, Cohere, AI21, in this order
        (r"\binput tokens exceeded\b", "context_too_long"),
        (r"\b(?:prompt|input) is too long\b", "context_too_long"),
        (r"\binput length and `?max_tokens`? exceed\b", "context_too_long"),
        (r"\bmaximum (?:context|input|prompt) length\b", "context_too_long"),
        (r"\bcontext (?:length|window|limit) (?:exceeded|of)\b", "context_too_long"),
        (r"\btoo many (?:input )?tokens\b(?! per)", "context_too_long"),
        (r"\btoo large for model with \d+ maximum context", "context_too_long"),
        (r"\bexceeds the maximum (?:allowed )?(?:number of )?(?:input )?tokens\b",
         "context_too_long"),
        (r"\bcontent (?:filter|policy|moderation)", "content_filtered"),
        (r"\bmodel identifier is invalid\b", "provider_model_missing"),
        (r"\bon-demand throughput isn.t supported\b", "provider_model_missing"),
        (r"\bmodel (?:version )?has reached the end of its life\b", "provider_model_missing"),
        (r"\bsecurity token\b", "provider_credentials"),
        (r"\bsignature (?:expired|not yet current)\b", "provider_credentials"),
        (r"\bAPI key is valid\b", "provider_credentials"),
        (r"\bAuthentication failed\b", "provider_credentials"),
        (r"\bauthentication token\b", "provider_credentials"),
    )
)  # fmt: skip

_MESSAGES: Mapping[str, str] = MappingProxyType(
    {
        "upstream_timeout": "{provider} ran out of time.",
        "provider_unavailable": "{provider} is unavailable or overloaded.",
    }
)
"""Those that would tell a status, which a frame of a stream does not have."""


def from_response(response: HttpResponse, target: Target) -> GatewayError:
    """The failure that a response tells of by a status outside 200 to 299."""
    try:
        body = parse(response.body)
    except ValueError:
        body = prose(response.body)
    class_ = response.headers.get(CLASS_HEADER, "")
    if not class_ and isinstance(body, dict) and isinstance(body.get("__type"), str):
        class_ = body["__type"]
    wait = retry_after(response.headers)
    return _error(class_, _text(body), response.status, target, wait)


def from_frame(class_: str, body: object, target: Target) -> GatewayError:
    """The failure that a frame of type `exception` or `error` tells of within a stream."""
    return _error(class_, _text(body), 0, target, None)


def _error(class_: str, text: str, status: int, target: Target, wait: float | None) -> GatewayError:
    name = class_.partition(":")[0].rpartition("#")[2].strip()
    kind = _kind(name, text, status)
    message = _MESSAGES.get(kind)
    return failure(kind, target, status or 200, text, code=name, wait=wait, message=message)


def _kind(name: str, text: str, status: int) -> str:
    word = name.lower().removesuffix("exception").removesuffix("error")
    kind = (
        _CLASSES.get(word)
        or _CLASSES.get(f"{word}error")
        or (by_status(_STATUS, status) if status else "provider_unavailable")
    )
    if kind in _AMBIGUOUS:
        for wording, told in _WORDINGS:
            if wording.search(text):
                return told
    return kind


def _text(body: object) -> str:
    if isinstance(body, dict):
        for key in ("message", "Message", "originalMessage"):
            value = body.get(key)
            if isinstance(value, str) and value.strip():
                return clip(value)
        return ""
    return clip(body) if isinstance(body, str) else ""
