"""The Cohere dialect: Chat of its second version.

https://docs.cohere.com/reference/chat
"""

from __future__ import annotations

import msgspec

from callgate.core.http import HttpRequest, HttpResponse
from callgate.core.jsontext import parse_object
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.base import ChunkDecoder
from callgate.providers.cohere import errors as cohere_errors
from callgate.providers.cohere.answer import (
    FAILED,
    finish_reason,
    logprobs_of,
    message_of,
    usage_of,
)
from callgate.providers.cohere.request import chat
from callgate.providers.cohere.stream import StreamDecoder
from callgate.providers.failure import bad_reply
from callgate.providers.strict import Malformed

PATH = "/chat"

_HEADERS = (("content-type", "application/json"), ("accept", "application/json"))
_STREAM_HEADERS = (("content-type", "application/json"), ("accept", "text/event-stream"))
_encode = msgspec.json.Encoder().encode


class Cohere:
    """Implements `providers.base.Dialect`; has no state."""

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        deployment = target.deployment
        return HttpRequest(
            "POST",
            deployment.origin,
            deployment.path + PATH,
            _STREAM_HEADERS if request.body.stream else _HEADERS,
            _encode(chat(request, target)),
        )

    def decode(self, response: HttpResponse, target: Target) -> ChatResponse:
        try:
            body = parse_object(response.body)
        except ValueError as error:
            raise bad_reply(str(error), response.body, target) from None
        if isinstance(body.get("message"), str) or (
            body.get("finish_reason") in FAILED and isinstance(body.get("error"), str)
        ):
            raise cohere_errors.from_object(body, target)
        try:
            finish, native = finish_reason(body.get("finish_reason"))
            choice = {
                "index": 0,
                "message": message_of(body.get("message")),
                "logprobs": logprobs_of(body.get("logprobs")),
                "finish_reason": finish,
                "native_finish_reason": native,
            }
        except Malformed as error:
            raise bad_reply(str(error), response.body, target) from None
        id_ = body.get("id")
        return ChatResponse(
            id=id_ if isinstance(id_, str) else "",
            created=0,
            model=target.deployment.upstream_model,
            choices=[choice],
            usage=usage_of(body.get("usage")),
        )

    def decoder(self, target: Target) -> ChunkDecoder:
        return StreamDecoder(target)

    def error(self, response: HttpResponse, target: Target) -> GatewayError:
        return cohere_errors.from_response(response, target)
