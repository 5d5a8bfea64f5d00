"""The Gemini dialect: generateContent and streamGenerateContent, of Google AI and of Vertex AI.

https://ai.google.dev/api/generate-content,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import msgspec

from callgate.core.chat import Json
from callgate.core.http import HttpRequest, HttpResponse, Origin
from callgate.core.jsontext import parse
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.base import ChunkDecoder
from callgate.providers.echo import strange
from callgate.providers.failure import bad_reply
from callgate.providers.gemini import errors as gemini_errors
from callgate.providers.gemini.answer import Gathered, created_of, finish_reason, text_of
from callgate.providers.gemini.config import generation_config, safety_settings
from callgate.providers.gemini.messages import Conversation
from callgate.providers.gemini.models import is_vertex
from callgate.providers.gemini.sources import annotations_of, in_characters, logprobs_of
from callgate.providers.gemini.stream import StreamDecoder
from callgate.providers.gemini.tools import tools_of
from callgate.providers.gemini.usage import usage_of
from callgate.providers.refusal import invalid, unsupported
from callgate.providers.vertex_place import place_of

MAX_CHOICES = 128

_HEADERS = (("content-type", "application/json"), ("accept", "application/json"))
_STREAM_HEADERS = (("content-type", "application/json"), ("accept", "text/event-stream"))
_IMAGES = re.compile(r"messages\[(\d{1,6})\]\.images")
_encode = msgspec.json.Encoder().encode


class Gemini:
    """Implements `providers.base.Dialect`; has no state."""

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        """The request in Gemini's words; see `gemini_messages`, `gemini_config`, `gemini_tools`.

        Vertex AI's project and location come from the deployment's options `project` and
        `location`, or stand in its base URL.
        """
        body = request.body
        pictures = _pictures(request)
        talk = Conversation(target)
        for at, message in enumerate(request.messages):
            talk.add(message, f"messages[{at}]", pictures.get(at))
        talk.end()
        if not talk.contents:
            raise invalid("messages", "Gemini needs a message besides the system messages")
        fields: Json = {"contents": talk.contents}
        if talk.system:
            fields["systemInstruction"] = {"parts": talk.system}
        fields.update(tools_of(body))
        settings = safety_settings(body)
        if settings:
            fields["safetySettings"] = settings
        fields["generationConfig"] = generation_config(request, target)
        origin, path = _place(target)
        method = ":streamGenerateContent?alt=sse" if body.stream else ":generateContent"
        return HttpRequest(
            "POST",
            origin,
            path + method,
            _STREAM_HEADERS if body.stream else _HEADERS,
            _encode(fields),
        )

    def decode(self, response: HttpResponse, target: Target) -> ChatResponse:
        data = response.body
        try:
            body = parse(data)
        except ValueError:
            raise bad_reply("a body that is not JSON", data, target) from None
        if isinstance(body, list) and body and isinstance(body[0], dict) and "error" in body[0]:
            raise gemini_errors.from_object(body, target)
        if not isinstance(body, dict):
            raise bad_reply("JSON that is not an object", data, target)
        if body.get("error"):
            raise gemini_errors.from_object(body, target)
        candidates = body.get("candidates")
        if not isinstance(candidates, list) or not candidates:
            refusal = gemini_errors.blocked(body.get("promptFeedback"), target)
            raise refusal or bad_reply("an answer without candidates", data, target)
        id_ = text_of(body.get("responseId"))
        try:
            choices = [
                _choice(candidate, at, id_, target)
                for at, candidate in enumerate(candidates[:MAX_CHOICES])
            ]
        except ValueError as error:
            raise bad_reply(str(error), data, target) from None
        return ChatResponse(
            id=id_,
            created=created_of(body.get("createTime")),
            model=text_of(body.get("modelVersion")),
            choices=choices,
            usage=usage_of(body.get("usageMetadata")),
        )

    def decoder(self, target: Target) -> ChunkDecoder:
        return StreamDecoder(target)

    def error(self, response: HttpResponse, target: Target) -> GatewayError:
        return gemini_errors.from_response(response, target)


def _choice(candidate: Any, at: int, id_: str, target: Target) -> Json:
    """OpenAI's choice. Raises ValueError where the candidate is none."""
    if not isinstance(candidate, dict):
        raise ValueError("a candidate that is not an object")
    index = candidate.get("index")
    index = index if type(index) is int else at
    content = candidate.get("content")
    if content is not None and not isinstance(content, dict):
        raise ValueError("content that is not an object")
    gathered = Gathered(f"{id_}_{index}" if index else id_)
    message: Json = {"role": "assistant", "content": None}
    message.update(gathered.take((content or {}).get("parts")))
    for call in message.get("tool_calls", ()):
        del call["index"]
    if message["content"] is None and "tool_calls" not in message:
        message["content"] = ""
    sources = annotations_of(candidate)
    if sources:
        message["annotations"] = in_characters(sources, "".join(gathered.said))
    choice: Json = {
        "index": index,
        "message": message,
        "finish_reason": None,
        "logprobs": logprobs_of(candidate),
    }
    ended = finish_reason(candidate, target, called=gathered.called)
    if ended is not None:
        choice["finish_reason"], choice["native_finish_reason"] = ended
    return choice


def _pictures(request: ChatRequest) -> dict[int, list[Json]]:
    """The pictures of earlier answers of ours, which OpenAI's messages have no field for.

    Raises GatewayError `unsupported_field` for every other unknown field.
    """
    found: dict[int, list[Json]] = {}
    messages: Any = None
    for path in strange(request):
        match = _IMAGES.fullmatch(path)
        at = int(match[1]) if match else -1
        if not 0 <= at < len(request.messages) or request.messages[at].role != "assistant":
            raise unsupported(path, "not supported by Gemini")
        if messages is None:
            messages = msgspec.json.decode(request.raw["messages"])
        images = messages[at]["images"]
        if not isinstance(images, list) or not all(isinstance(one, dict) for one in images):
            raise invalid(path, "must be the images as they came in the answer")
        found[at] = images
    return found


def _place(target: Target) -> tuple[Origin, str]:
    """The server and the model's path there."""
    deployment = target.deployment
    if is_vertex(target):
        return place_of(deployment, "google")
    path = deployment.path
    model = quote(deployment.upstream_model.removeprefix("models/"), safe="/-._~@")
    return deployment.origin, f"{path}/{model}" if "/" in model else f"{path}/models/{model}"
