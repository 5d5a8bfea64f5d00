"""The Bedrock dialect: Amazon's Converse and ConverseStream, which serve models of many makers.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from callgate.core.http import HttpRequest, HttpResponse
from callgate.core.jsontext import parse
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.base import ChunkDecoder
from callgate.providers.bedrock import errors as bedrock_errors
from callgate.providers.bedrock.answer import extra_of, finish_reason, message_of, usage_of
from callgate.providers.bedrock.request import converse
from callgate.providers.bedrock.stream import StreamDecoder
from callgate.providers.failure import bad_reply
from callgate.providers.strict import Malformed

REQUEST_ID = "x-amzn-requestid"

_HEADERS = (("content-type", "application/json"), ("accept", "application/json"))
_STREAM_HEADERS = (
    ("content-type", "application/json"),
    ("accept", "application/vnd.amazon.eventstream"),
)
_encode = msgspec.json.Encoder().encode


class Bedrock:
    """Implements `providers.base.Dialect`; has no state.

    Of `Deployment.options` it reads `guardrail_identifier`, `guardrail_version` and
    `guardrail_trace`.
    """

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        """The request; its path has the model's id percent-encoded, as AWS signs it."""
        deployment, stream = target.deployment, bool(request.body.stream)
        body = converse(request, target)
        model = quote(deployment.upstream_model, safe="-._~")
        operation = "converse-stream" if stream else "converse"
        return HttpRequest(
            "POST",
            deployment.origin,
            f"{deployment.path}/model/{model}/{operation}",
            _STREAM_HEADERS if stream else _HEADERS,
            _encode(body),
        )

    def decode(self, response: HttpResponse, target: Target) -> ChatResponse:
        try:
            body = parse(response.body)
        except ValueError:
            raise bad_reply("a body that is not JSON", response.body, target) from None
        output = body.get("output") if isinstance(body, dict) else None
        message = output.get("message") if isinstance(output, dict) else None
        if not isinstance(message, dict):
            raise bad_reply("an answer without a message", response.body, target)
        try:
            finish, native = finish_reason(body.get("stopReason"))
            choice = {
                "index": 0,
                "message": message_of(message.get("content")),
                "logprobs": None,
                "finish_reason": finish,
                "native_finish_reason": native,
            }
        except Malformed as error:
            raise bad_reply(str(error), response.body, target) from None
        return ChatResponse(
            id=response.headers.get(REQUEST_ID, ""),
            created=0,
            model=target.deployment.upstream_model,
            choices=[choice],
            usage=usage_of(body.get("usage")),
            extra=extra_of(body),
        )

    def decoder(self, target: Target) -> ChunkDecoder:
        return StreamDecoder(target)

    def error(self, response: HttpResponse, target: Target) -> GatewayError:
        return bedrock_errors.from_response(response, target)
