"""The operations of the OpenAPI document: per path what goes in and what may come out."""

from __future__ import annotations

from callgate.web.openapi.lookups import PATH, request_list, request_shown
from callgate.web.openapi.parts import (
    ANYWHERE,
    BASIC,
    METERED,
    Json,
    answer,
    header_refs,
    plain_get,
    ref,
    refusals,
)

_CHAT = (
    *ANYWHERE,
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
    "budget_exhausted",
    "provider_rate_limited",
    "checker_missing",
    "provider_credentials",
    "provider_refused",
    "provider_model_missing",
    "bad_upstream_reply",
    "upstream_cut",
    "unrepairable_json",
    "schema_violation",
    "overloaded",
    "keys_unavailable",
    "limits_unavailable",
    "provider_unavailable",
    "upstream_unreachable",
    "circuit_open",
    "upstream_timeout",
)
_MODEL = (*ANYWHERE, "model_not_found", "model_retired", "model_not_in_region")

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
        "/v1/models": {"get": plain_get("listModels", "Models", "List the models", "ModelList")},
        "/v1/models/{model}": {"get": _one_model(example_model)},
        PATH: {"get": request_list()},
        PATH + "/{request_id}": {"get": request_shown()},
        "/errors": {"get": _pages("listErrors", "List the types of errors", "ErrorTypeList")},
        "/errors/{type}": {"get": _one_error()},
        "/health": {"get": plain_get("health", "Status", "Does the process live?", "Health")},
        "/ready": {"get": _ready()},
        "/metrics": {"get": _metrics()},
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
                    "schema": ref("ChatBody"),
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
                "headers": header_refs(METERED),
                "content": {
                    "application/json": {"schema": ref("ChatCompletion")},
                    "text/event-stream": {
                        "schema": {"type": "string", "description": _STREAM},
                        "example": _STREAM_EXAMPLE % model,
                    },
                },
            },
            **refusals(_CHAT, METERED),
        },
    }


def _one_model(example: str) -> Json:
    operation = plain_get("getModel", "Models", "Show one model", "ModelObject")
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
    operation["responses"] |= refusals(_MODEL, BASIC)
    return operation


def _pages(operation: str, summary: str, schema: str) -> Json:
    """Text for people, JSON for who accepts it."""
    described = plain_get(operation, "Errors", summary, schema)
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
    operation["responses"] |= refusals((*ANYWHERE, "path_not_found"), BASIC)
    return operation


def _ready() -> Json:
    operation = plain_get("ready", "Status", "Can the gateway do its work?", "Readiness")
    operation["description"] = (
        "200 where all parts are well or merely degraded, 503 where one is down. Each part that "
        "is not well is named; who has a key, or asks from the gateway's own machine, is also told "
        "why and what to do."
    )
    operation["responses"]["503"] = answer(ref("Readiness"), "A part is down.")
    return operation


def _metrics() -> Json:
    operation = plain_get("metrics", "Status", "Figures for Prometheus", "Health")
    operation["description"] = (
        "Of all workers, whichever is asked. Where the operator has set a token, it has to be sent "
        "as `Authorization: Bearer …`."
    )
    operation["responses"]["200"] = {
        "description": "The figures in Prometheus' text format.",
        "headers": header_refs(BASIC),
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
    operation["responses"] |= refusals((*ANYWHERE, "unauthorized"), BASIC)
    return operation


def _document() -> Json:
    operation = plain_get("openapi", "Status", "This document", "Health")
    operation["responses"]["200"] = answer({"type": "object"}, "This document.")
    return operation
