"""OpenAI's Responses API, asked with nothing kept on its side.

https://developers.openai.com/api/reference/resources/responses/methods/create
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from callgate.core.http import HttpRequest, HttpResponse
from callgate.core.jsontext import parse_object
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.base import ChunkDecoder
from callgate.providers.failure import bad_reply
from callgate.providers.openai import errors as openai_errors
from callgate.providers.openai.answer import integer, usage_of
from callgate.providers.responses.output import extra_of, finish_of, message_of
from callgate.providers.responses.request import body_of
from callgate.providers.responses.stream import StreamDecoder
from callgate.providers.strict import Malformed, listed

PATH = "/responses"

_HEADERS = (("content-type", "application/json"), ("accept", "application/json"))
_STREAM_HEADERS = (("content-type", "application/json"), ("accept", "text/event-stream"))
_encode = msgspec.json.Encoder().encode


class Responses:
    """Implements `providers.base.Dialect`; has no state. Of `Deployment.options` it reads Azure's
    `api_version`.
    """

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        deployment = target.deployment
        version = deployment.options.get("api_version")
        return HttpRequest(
            "POST",
            deployment.origin,
            deployment.path + PATH + (f"?api-version={quote(version)}" if version else ""),
            _STREAM_HEADERS if request.body.stream else _HEADERS,
            _encode(body_of(request, target)),
        )

    def decode(self, response: HttpResponse, target: Target) -> ChatResponse:
        try:
            body = parse_object(response.body)
        except ValueError as error:
            raise bad_reply(str(error), response.body, target) from None
        if body.get("error"):
            raise openai_errors.from_object(body, target)
        try:
            message = message_of(listed(body.get("output")), target.deployment.provider)
            finish, native = finish_of(body, called="tool_calls" in message)
        except Malformed as error:
            raise bad_reply(str(error), response.body, target) from None
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": finish,
            "native_finish_reason": native,
        }
        id_, model = body.get("id"), body.get("model")
        return ChatResponse(
            id=id_ if isinstance(id_, str) else "",
            created=integer(body.get("created_at")),
            model=model if isinstance(model, str) else "",
            choices=[choice],
            usage=usage_of(body.get("usage")),
            extra=extra_of(body),
        )

    def decoder(self, target: Target) -> ChunkDecoder:
        return StreamDecoder(target)

    def error(self, response: HttpResponse, target: Target) -> GatewayError:
        return openai_errors.from_response(response, target)
