"""The operations of the OpenAPI document: per path what goes in and what may come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from callgate.errors import TAXONOMY

Json = dict[str, Any]

_ANYWHERE = ("bad_http", "headers_too_large", "internal_error")
_CHAT = (
    *_ANYWHERE,
    "invalid_json",
    "missing_field",
    "invalid_field",
    "unsupported_field",
    "provider_rejected",
    "context_too_long",
    "content_filtered",
    "unauthorized",
    "wrong_region_key",
    "model_not_allowed",
    "model_not_found",
    "model_retired",
    "model_not_in_region",
    "request_timeout",
    "request_too_large",
    "provider_request_too_large",
    "unsupported_media_type",
    "rate_limited",
    "provider_rate_limited",
    "provider_credentials",
    "provider_refused",
    "provider_model_missing",
    "bad_upstream_reply",
    "upstream_cut",
    "unrepairable_json",
    "overloaded",
    "keys_unavailable",
    "limits_unavailable",
    "provider_unavailable",
    "upstream_unreachable",
    "circuit_open",
    "upstream_timeout",
)
_MODEL = (*_ANYWHERE, "model_not_found", "model_retired", "model_not_in_region")

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
        "the gateway was busy, in its queue.",
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
    "Retry-After": {
        "description": "Seconds to wait before the next attempt.",
        "schema": _INTEGER,
    },
}

_BASIC = ("X-Request-Id", "X-Callgate-Region")
_METERED = (
    *_BASIC,
    "Server-Timing",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "X-RateLimit-Model",
)
_RETRIABLE = {429, 503}

_STREAM = (
    "A stream, where the request says so. The `data` of each event is a `ChatCompletionChunk`; "
    "after the last one comes `data: [DONE]`. A stream that fails midway ends with an `ErrorBody` "
    "and no `[DONE]`."
)
_STREAM_EXAMPLE = (
    'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1767225600,'
    '"model":"%s","choices":[{"index":0,"delta":{"content":"Paris."},"finish_reason":null}],'
    '"request_id":"019b0000-0000-7000-8000-000000000000"}\n\ndata: [DONE]\n\n'
)


def paths(*, max_body_bytes: int, example_model: str) -> Json:
    """The paths that are served, each with its operations."""
    return {
        "/v1/chat/completions": {"post": _chat(max_body_bytes, example_model)},
        "/v1/models": {"get": _get("listModels", "Models", "List the models", "ModelList")},
        "/v1/models/{model}": {"get": _one_model(example_model)},
        "/errors": {"get": _pages("listErrors", "List the types of errors", "ErrorTypeList")},
        "/errors/{type}": {"get": _one_error()},
        "/health": {"get": _get("health", "Status", "Does the process live?", "Health")},
        "/ready": {"get": _ready()},
        "/openapi.json": {"get": _document()},
    }


def _chat(max_body_bytes: int, model: str) -> Json:
    ask = [{"role": "user", "content": "What is the capital of France?"}]
    return {
        "operationId": "createChatCompletion",
        "tags": ["Chat"],
        "summary": "Ask a model",
        "description": f"The body may have {max_body_bytes:,} bytes.",
        "security": [{"Key": []}, {"BearerKey": []}],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _ref("ChatBody"),
                    "examples": {
                        "messages": {
                            "summary": "A conversation",
                            "value": {"model": model, "messages": ask, "max_tokens": 100},
                        },
                        "prompt": {
                            "summary": "A plain prompt",
                            "value": {"model": model, "prompt": "Say hello.", "max_tokens": 20},
                        },
                        "stream": {
                            "summary": "A stream",
                            "value": {
                                "model": model,
                                "messages": ask,
                                "max_tokens": 100,
                                "stream": True,
                                "stream_options": {"include_usage": True},
                            },
                        },
                    },
                }
            },
        },
        "responses": {
            "200": {
                "description": "The answer.",
                "headers": _headers(_METERED),
                "content": {
                    "application/json": {"schema": _ref("ChatCompletion")},
                    "text/event-stream": {
                        "schema": {"type": "string", "description": _STREAM},
                        "example": _STREAM_EXAMPLE % model,
                    },
                },
            },
            **_errors(_CHAT, _METERED),
        },
    }


def _get(operation: str, tag: str, summary: str, schema: str) -> Json:
    return {
        "operationId": operation,
        "tags": [tag],
        "summary": summary,
        "security": [],
        "responses": {"200": _ok(_ref(schema), summary), **_errors(_ANYWHERE, _BASIC)},
    }


def _one_model(example: str) -> Json:
    operation = _get("getModel", "Models", "Show one model", "ModelObject")
    operation["parameters"] = [
        {
            "name": "model",
            "in": "path",
            "required": True,
            "description": "The model's id. Slashes in it may be sent as they are or as `%2F`.",
            "schema": {"type": "string", "minLength": 1},
            "example": example,
        }
    ]
    operation["responses"] |= _errors(_MODEL, _BASIC)
    return operation


def _pages(operation: str, summary: str, schema: str) -> Json:
    """Text for people, JSON for who accepts it."""
    described = _get(operation, "Errors", summary, schema)
    content = described["responses"]["200"]["content"]
    content["text/plain"] = {"schema": {"type": "string", "description": "Markdown."}}
    return described


def _one_error() -> Json:
    operation = _pages("getError", "Explain one type of error", "ErrorType")
    operation["parameters"] = [
        {
            "name": "type",
            "in": "path",
            "required": True,
            "description": "What `error.type` says.",
            "schema": {"type": "string", "minLength": 1},
            "example": "rate_limited",
        }
    ]
    operation["responses"] |= _errors((*_ANYWHERE, "path_not_found"), _BASIC)
    return operation


def _ready() -> Json:
    operation = _get("ready", "Status", "Can the gateway do its work?", "Readiness")
    operation["description"] = (
        "200 where all parts are well or merely degraded, 503 where one is down. Each part that "
        "is not well is named, with why and what to do."
    )
    operation["responses"]["503"] = _ok(_ref("Readiness"), "A part is down.")
    return operation


def _document() -> Json:
    operation = _get("openapi", "Status", "This document", "Health")
    operation["responses"]["200"] = _ok({"type": "object"}, "This document.")
    return operation


def _ok(schema: Json, description: str) -> Json:
    return {
        "description": description,
        "headers": _headers(_BASIC),
        "content": {"application/json": {"schema": schema}},
    }


def _errors(types: Sequence[str], headers: Sequence[str]) -> Json:
    """The error responses by status, each telling the types that it stands for."""
    kinds = sorted((TAXONOMY[one] for one in types), key=lambda kind: kind.status)
    by_status: dict[int, list[str]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(f"`{kind.type}`: {kind.cause}")
    return {
        str(status): {
            "description": "\n".join(f"- {line}" for line in lines),
            "headers": _headers((*headers, "Retry-After") if status in _RETRIABLE else headers),
            "content": {"application/json": {"schema": _ref("ErrorBody")}},
        }
        for status, lines in by_status.items()
    }


def _headers(names: Sequence[str]) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}
