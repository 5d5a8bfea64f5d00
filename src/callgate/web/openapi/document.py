"""`GET /openapi.json`: an OpenAPI 3.1 document of what is served (https://spec.openapis.org/oas/v3.1.1).

The schemas come from the structs that requests are decoded into and answers are made of, the
errors from the taxonomy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from callgate.core.chat import ChatBody
from callgate.core.steps import STEPS
from callgate.support.story import ExplainedRecord
from callgate.web import shapes
from callgate.web.openapi.fields import NOTES
from callgate.web.openapi.operations import paths
from callgate.web.openapi.parts import HEADERS

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_ABOUT = (
    "A self-hosted LLM gateway: one OpenAI-compatible API whose every call can be explained from "
    "its `request_id`, the header `X-Request-Id` of every response. Every failure is an "
    "`ErrorBody`: also that of an unknown path (404 `path_not_found`) or of a method that a path "
    "does not have (405 `method_not_allowed`)."
)


class OpenApi:
    """The route of one document, which is built and rendered when it is first asked for."""

    def __init__(self, build: Callable[[], Mapping[str, Any]]) -> None:
        self._build = build
        self._body: bytes | None = None

    def routes(self) -> list[Route]:
        """The routes as Starlette takes them."""
        return [Route("/openapi.json", self.show, methods=["GET"])]

    def renew(self) -> None:
        """Build it again when it is next asked for."""
        self._body = None

    async def show(self, _request: Request) -> Response:
        """The document."""
        if self._body is None:
            self._body = msgspec.json.encode(self._build())
        return Response(self._body, media_type="application/json")


def document(
    *, version: str, region: str, max_body_bytes: int, example_model: str = "gpt-4.1"
) -> Json:
    """The document of a gateway. `example_model` is one that can be called there."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Callgate",
            "version": version,
            "description": f"{_ABOUT} This endpoint serves region `{region}`.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": "Chat", "description": "Ask a model."},
            {"name": "Requests", "description": "What became of your requests, and why."},
            {"name": "Models", "description": "What can be asked."},
            {"name": "Errors", "description": "What each type of error means and what to do."},
            {"name": "Status", "description": "How the gateway is."},
        ],
        "paths": paths(max_body_bytes=max_body_bytes, example_model=example_model),
        "components": {
            "schemas": _schemas(),
            "headers": dict(HEADERS),
            "securitySchemes": {
                "Key": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "The bare key, `cg_<region>_…`.",
                },
                "BearerKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The same key as OpenAI's SDKs send it.",
                },
            },
        },
    }


_ROOTS = (
    ChatBody,
    shapes.ChatCompletion,
    shapes.ChatCompletionChunk,
    shapes.ErrorBody,
    ExplainedRecord,
    shapes.RequestList,
    shapes.ErrorTypeList,
    shapes.ModelList,
    shapes.Health,
    shapes.Readiness,
)


def _schemas() -> Json:
    _, schemas = msgspec.json.schema_components(_ROOTS, ref_template=_REF)
    for name, schema in schemas.items():
        notes = NOTES.get(name, {})
        for field, one in schema.get("properties", {}).items():
            default = one.get("default", 0)
            if default is None:
                del one["default"]  # says no more than that null is allowed
            elif default == ():
                one["default"] = []
            if field in notes:
                one["description"] = notes[field]
    # Fields that are not known go through to providers of OpenAI's dialect.
    schemas["ChatBody"]["additionalProperties"] = True
    schemas["ChatBody"]["oneOf"] = [
        {"required": ["messages"], "properties": {"messages": {"type": "array"}}},
        {"required": ["prompt"], "properties": {"prompt": {"type": "string"}}},
    ]
    _name_steps(schemas["ChatBody"]["properties"]["post_processing_steps"])
    schemas["Message"]["anyOf"] = [_turn(roles, needed) for roles, needed in _TURNS]
    return schemas


def _name_steps(field: Json) -> None:
    """The steps that there are, in the schema of a list of objects or null."""
    for form in field["anyOf"]:
        if form["type"] == "array":
            form["items"] = {
                "type": "object",
                "properties": {"type": {"type": "string", "enum": list(STEPS)}},
                "required": ["type"],
                "additionalProperties": False,
            }


_TURNS = (
    (("system", "developer", "user"), ("content",)),
    (("tool",), ("content", "tool_call_id")),
    (("function",), ("content", "name")),
    (("assistant",), ()),
)


def _turn(roles: tuple[str, ...], needed: tuple[str, ...]) -> Json:
    """What a message of these roles must have."""
    properties: Json = {name: {"type": ["string", "array"]} for name in needed}
    properties["role"] = {"enum": list(roles)}
    return {"required": ["role", *needed], "properties": properties}
