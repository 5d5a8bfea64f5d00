"""Parts that the operations of the OpenAPI document are made of: headers, answers, errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callgate.errors import TAXONOMY

Json = dict[str, Any]

ANYWHERE = ("bad_http", "headers_too_large", "internal_error", "unsupported_transfer_coding")
"""The types of errors that any path can answer with."""

_INTEGER: Json = {"type": "integer", "minimum": 0}

HEADERS: Mapping[str, Json] = {
    "X-Request-Id": {
        "description": "The id that leads to the whole record of this request (UUIDv7).",
        "required": True,
        "schema": {"type": "string", "format": "uuid"},
    },
    "X-Callgate-Region": {
        "description": "The region that answered.",
        "required": True,
        "schema": {"type": "string"},
    },
    "Server-Timing": {
        "description": "Milliseconds spent in the gateway, waiting for the provider and, where "
        "there was a queue or an attempt was repeated, waiting for that.",
        "schema": {"type": "string"},
        "example": "gateway;dur=0.4, upstream;dur=812.7",
    },
    "X-RateLimit-Limit": {
        "description": "Requests per 60 seconds for this account and model; sent as soon as key "
        "and model are known.",
        "schema": _INTEGER,
    },
    "X-RateLimit-Remaining": {
        "description": "Requests left in the current window.",
        "schema": _INTEGER,
    },
    "X-RateLimit-Reset": {
        "description": "Seconds until the window resets.",
        "schema": _INTEGER,
    },
    "X-RateLimit-Model": {
        "description": "The model whose window this is.",
        "schema": {"type": "string"},
    },
    "X-RateLimit-Limit-Tokens": {
        "description": "Tokens per 60 seconds, if such a limit applies to the request; of several "
        "the one that has the least left.",
        "schema": _INTEGER,
    },
    "X-RateLimit-Remaining-Tokens": {
        "description": "Tokens left of it, after what was reserved for this request.",
        "schema": _INTEGER,
    },
    "X-RateLimit-Reset-Tokens": {
        "description": "Seconds until it resets.",
        "schema": _INTEGER,
    },
    "X-Callgate-Budget": {
        "description": "Whose budget is nearly spent, for which period, and how much of it, such "
        "as `account month 83%`. Not sent otherwise.",
        "schema": {"type": "string"},
    },
    "X-Callgate-Degraded": {
        "description": "`counters` while the server that counts limits is away: each process then "
        "admits its share of them. Not sent otherwise.",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "schema": _INTEGER,
    },
    "X-Should-Retry": {
        "description": "`false` where the same request would fail again. Not sent otherwise.",
        "schema": {"type": "string"},
    },
}

BASIC = ("X-Request-Id", "X-Callgate-Region")
"""The headers of every answer."""
METERED = (
    *BASIC,
    "Server-Timing",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-RateLimit-Model",
    "X-RateLimit-Limit-Tokens",
    "X-RateLimit-Remaining-Tokens",
    "X-RateLimit-Reset-Tokens",
    "X-Callgate-Budget",
    "X-Callgate-Degraded",
)
_RETRIABLE = {429, 503}
_REPEATED = {429, 501, 502}
"""Statuses that SDKs repeat, and that may say that this is of no use."""


def plain_get(operation: str, tag: str, summary: str, schema: str) -> Json:
    """A GET without a key, which answers with this schema."""
    return {
        "operationId": operation,
        "tags": [tag],
        "summary": summary,
        "security": [],
        "responses": {"200": answer(ref(schema), summary), **refusals(ANYWHERE, BASIC)},
    }


def answer(schema: Json, description: str) -> Json:
    """An answer in JSON."""
    return {
        "description": description,
        "headers": header_refs(BASIC),
        "content": {"application/json": {"schema": schema}},
    }


def refusals(types: Sequence[str], headers: Sequence[str]) -> Json:
    """The error responses by status, each telling the types that it stands for."""
    kinds = sorted((TAXONOMY[one] for one in types), key=lambda kind: kind.status)
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(f"`{kind.type}`: {kind.cause}")
    return {
        str(status): {
            "description": "\n".join(f"- {line}" for line in lines),
            "headers": header_refs((*headers, *_advice(status))),
            "content": {"application/json": {"schema": ref("ErrorBody")}},
        }
        for status, lines in by_status.items()
    }


def _advice(status: int) -> Sequence[str]:
    told = (("Retry-After", _RETRIABLE), ("X-Should-Retry", _REPEATED))
    return [name for name, statuses in told if status in statuses]


def header_refs(names: Sequence[str]) -> Json:
    """The headers of these names."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def ref(name: str) -> Json:
    """A schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}
