"""The Anthropic dialect: the Messages API.

https://docs.anthropic.com/en/api/messages
"""

from __future__ import annotations

import msgspec

from callgate.core.chat import Json
from callgate.core.http import HttpRequest, HttpResponse
from callgate.core.jsontext import parse_object
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.anthropic import errors as anthropic_errors
from callgate.providers.anthropic.answer import (
    annotation_of,
    call_of,
    extra_of,
    finish_of,
    usage_of,
)
from callgate.providers.anthropic.reasoning import detail_of
from callgate.providers.anthropic.request import encode
from callgate.providers.anthropic.stream import StreamDecoder
from callgate.providers.base import ChunkDecoder
from callgate.providers.failure import bad_reply

PATH = "/messages"
VERSION = "2023-06-01"
"""https://docs.anthropic.com/en/api/versioning; the later 2026-10-21 takes no temperature."""

_JSON = ("content-type", "application/json")
_ACCEPT = {True: ("accept", "text/event-stream"), False: ("accept", "application/json")}
_to_json = msgspec.json.Encoder().encode


class Anthropic:
    """Implements `providers.base.Dialect`; has no state.

    Claude on another platform is a subclass with its own `address`.
    """

    system_turns = True
    """Whether the platform takes a system message within a conversation, where the model does."""

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        fields, betas = encode(request, target, system_turns=self.system_turns)
        stream = bool(request.body.stream)
        path, headers = self.address(fields, betas, target, stream=stream)
        return HttpRequest(
            "POST",
            target.deployment.origin,
            target.deployment.path + path,
            (_JSON, _ACCEPT[stream], *headers),
            _to_json(fields),
        )

    def address(
        self, fields: Json, betas: tuple[str, ...], target: Target, *, stream: bool
    ) -> tuple[str, tuple[tuple[str, str], ...]]:
        """The path behind the deployment's own, and the headers that name version and betas.

        A platform that has these, or the model, elsewhere moves them here within `fields`.
        """
        headers = (("anthropic-version", VERSION),)
        return PATH, (*headers, ("anthropic-beta", ",".join(betas))) if betas else headers

    def decode(self, response: HttpResponse, target: Target) -> ChatResponse:
        try:
            body = parse_object(response.body)
        except ValueError as error:
            raise bad_reply(str(error), response.body, target) from None
        if body.get("type") == "error" or body.get("error"):
            raise anthropic_errors.from_object(body, target)
        try:
            return _answer(body)
        except ValueError as fault:
            raise bad_reply(str(fault), response.body, target) from None

    def decoder(self, target: Target) -> ChunkDecoder:
        return StreamDecoder(target)

    def error(self, response: HttpResponse, target: Target) -> GatewayError:
        return anthropic_errors.from_response(response, target)


def _answer(body: Json) -> ChatResponse:
    """The answer in this object. Raises ValueError with what is wrong with it."""
    content, reason = body.get("content"), body.get("stop_reason")
    if not isinstance(content, list):
        raise ValueError("an answer without content")
    if not isinstance(reason, str) or not reason:
        raise ValueError("an answer without a stop reason")
    message, others = _message(content)
    choice: Json = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish_of(reason),
        "native_finish_reason": reason,
    }
    for name in ("stop_sequence", "stop_details"):
        if body.get(name) is not None:
            choice[name] = body[name]
    extra = extra_of(body)
    if others:
        extra["content_blocks"] = others
    id_, model = body.get("id"), body.get("model")
    return ChatResponse(
        id=id_ if isinstance(id_, str) else "",
        created=0,
        model=model if isinstance(model, str) else "",
        choices=[choice],
        usage=usage_of(body.get("usage")),
        extra=extra,
    )


def _message(content: list[object]) -> tuple[Json, list[Json]]:
    """OpenAI's message of these blocks, and those that it has no place for."""
    text, length = [], 0
    thoughts: list[str] = []
    details: list[Json] = []
    calls: list[Json] = []
    annotations: list[Json] = []
    others: list[Json] = []
    for block in content:
        if not isinstance(block, dict):
            raise ValueError("content that is not a block")
        kind = block.get("type")
        if kind == "text":
            said = block.get("text")
            if not isinstance(said, str):
                raise ValueError("a text block without text")
            citations = block.get("citations")
            annotations.extend(
                annotation_of(citation, length, length + len(said))
                for citation in (citations if isinstance(citations, list) else ())
                if isinstance(citation, dict)
            )
            text.append(said)
            length += len(said)
        elif kind == "tool_use":
            calls.append(call_of(block))
        elif kind in ("thinking", "redacted_thinking"):
            detail = detail_of(block, length, len(calls))
            if detail is None:
                raise ValueError("a thinking block without its fields")
            details.append(detail)
            thoughts.append(detail.get("thinking", ""))
        else:
            others.append(block)
    message: Json = {"role": "assistant", "content": "".join(text) if text or not calls else None}
    reasoning = "".join(thoughts)
    for name, value in (
        ("reasoning_content", reasoning),
        ("reasoning_details", details),
        ("annotations", annotations),
        ("tool_calls", calls),
    ):
        if value:
            message[name] = value
    return message, others
