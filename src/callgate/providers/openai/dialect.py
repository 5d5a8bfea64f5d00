"""The OpenAI dialect: Chat Completions, as OpenAI and most other servers speak it.

https://platform.openai.com/docs/api-reference/chat
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Raw

from callgate.core.chat import OWN_FIELDS, ChatBody, Json
from callgate.core.http import HttpRequest, HttpResponse
from callgate.core.jsontext import parse_object
from callgate.core.request import ChatRequest
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.core.validate import output_limit, thoughts_of
from callgate.errors import GatewayError
from callgate.providers.base import ChunkDecoder
from callgate.providers.failure import bad_reply
from callgate.providers.openai import errors as openai_errors
from callgate.providers.openai.answer import complete_call, finish, flatten, integer, usage_of
from callgate.providers.openai.history import sent_back
from callgate.providers.openai.stream import StreamDecoder

PATH: Final = "/chat/completions"

_DROPPED: Final = OWN_FIELDS | {"prompt", "max_tokens", "max_completion_tokens"}
_KNOWN: Final = frozenset(ChatBody.__struct_fields__)
_NULL: Final = Raw(b"null")
_HEADERS: Final = (("content-type", "application/json"), ("accept", "application/json"))
_STREAM_HEADERS: Final = (("content-type", "application/json"), ("accept", "text/event-stream"))
_INSTEAD_OF_CONTENT: Final = ("refusal", "audio", "function_call")
_USUAL_REASONS: Final = ("stop", "length")
_encode: Final = msgspec.json.Encoder().encode
_options: Final = msgspec.json.Decoder(dict[str, Raw] | None).decode


class OpenAI:
    """Implements `providers.base.Dialect`; has no state."""

    def encode(self, request: ChatRequest, target: Target) -> HttpRequest:
        """The caller's own bytes, but for the model's name, the output limit and the options of
        a stream; a `prompt` becomes a message, and known fields that are null are left out.
        """
        deployment, raw, body = target.deployment, request.raw, request.body
        vendor = deployment.vendor
        fields: dict[str, Any] = {
            name: value
            for name, value in raw.items()
            if name not in _DROPPED and (value != _NULL or name not in _KNOWN)
        }
        fields["model"] = deployment.upstream_model
        if body.messages is None:
            if "prompt" in raw:
                fields["messages"] = [{"role": "user", "content": raw["prompt"]}]
        elif vendor.answer_fields is not None or not vendor.developer or request.has_answer:
            fields["messages"] = sent_back(request, deployment)
        most = target.model.max_output_tokens
        fields[vendor.max_tokens_field] = output_limit(request, most, thoughts_of(body))
        if body.seed is not None and vendor.seed_field not in fields:
            fields[vendor.seed_field] = fields.pop("seed")
        if body.tool_choice == "any":  # Mistral's word, and Anthropic's
            fields["tool_choice"] = "required"
        if body.stream:
            self._stream_options(fields, reported=vendor.stream_usage)
        return HttpRequest(
            "POST",
            deployment.origin,
            deployment.path + PATH,
            _STREAM_HEADERS if body.stream else _HEADERS,
            _encode(fields),
        )

    def decode(self, response: HttpResponse, target: Target) -> ChatResponse:
        try:
            body = parse_object(response.body)
        except ValueError as error:
            raise bad_reply(str(error), response.body, target) from None
        if body.get("error"):
            raise openai_errors.from_object(body, target)
        choices = body.pop("choices", None)
        if not isinstance(choices, list) or not choices:
            if body.get("object") == "error":
                raise openai_errors.from_object(body, target)
            raise bad_reply("an answer without choices", response.body, target)
        id_, created, model = body.pop("id", ""), body.pop("created", 0), body.pop("model", "")
        if type(id_) is not str:
            id_ = ""
        for at, choice in enumerate(choices):
            if _is_usual(choice, at):
                continue
            fault = _choice(choice, at, id_, target)
            if fault:
                raise bad_reply(fault, response.body, target)
        usage = usage_of(body.pop("usage", None))
        if usage is None:
            groq = body.get("x_groq")
            usage = usage_of(groq.get("usage")) if isinstance(groq, dict) else None
        body.pop("object", None)
        body.pop("error", None)
        return ChatResponse(
            id=id_,
            created=integer(created),
            model=model if isinstance(model, str) else "",
            choices=choices,
            usage=usage,
            extra=body,
        )

    def decoder(self, target: Target) -> ChunkDecoder:
        return StreamDecoder(target)

    def error(self, response: HttpResponse, target: Target) -> GatewayError:
        return openai_errors.from_response(response, target)

    @staticmethod
    def _stream_options(fields: dict[str, Any], *, reported: bool) -> None:
        """Ask for the usage, for the record's sake; whether the caller sees it is decided later."""
        given = fields.pop("stream_options", None)
        options: dict[str, Any] = (_options(given) if given is not None else None) or {}
        options.pop("include_usage", None)
        if reported:
            options["include_usage"] = True
        if options:
            fields["stream_options"] = options


def _is_usual(choice: Any, at: int) -> bool:
    """Whether the choice is text as OpenAI sends it; completes it then. Most choices are."""
    try:
        message, reason = choice["message"], choice["finish_reason"]
        usual = (
            reason in _USUAL_REASONS
            and choice["index"] == at
            and choice.get("logprobs") is None
            and type(message["content"]) is str
            and message["role"] == "assistant"
            and "tool_calls" not in message
            and "error" not in choice
        )
    except (KeyError, TypeError):
        return False
    if usual:
        choice.setdefault("logprobs", None)  # llama.cpp leaves it out
        if choice.get("native_finish_reason") is None:  # OpenRouter says null
            choice["native_finish_reason"] = reason
    return usual


def _choice(choice: object, at: int, answer_id: str, target: Target) -> str:
    """Make one choice uniform; what is wrong with it, if anything."""
    if not isinstance(choice, dict):
        return "a choice that is not an object"
    if choice.get("error"):  # OpenRouter: the answer failed midway
        raise openai_errors.from_object(choice, target)
    if choice.get("finish_reason") == "content_filter":
        choice.setdefault("message", {})  # Azure: nothing passed the filter
    message = choice.get("message")
    if not isinstance(message, dict):
        return "a choice without a message"
    if type(choice.get("index")) is not int:
        choice["index"] = at
    if not isinstance(choice.get("logprobs"), dict):  # OpenRouter hands on Together's bare number
        choice["logprobs"] = None
    finish(choice, choice.get("finish_reason"))
    if not message.get("role"):
        message["role"] = "assistant"
    if not _textual(message):
        return "a message whose content is not text"
    calls: object = message.get("tool_calls")
    if calls is None or calls == []:  # an empty list is vLLM's; OpenAI refuses to have it back
        message.pop("tool_calls", None)
        if message["content"] is None and not any(map(message.get, _INSTEAD_OF_CONTENT)):
            message["content"] = ""  # null, it could not be sent back: OpenAI refuses that too
        return ""
    if not isinstance(calls, list) or not all(isinstance(call, dict) for call in calls):
        return "tool calls that are not a list of objects"
    _complete(calls, choice, answer_id)
    if choice["finish_reason"] == "stop" and not target.deployment.vendor.stops_at_calls:
        choice["finish_reason"] = "tool_calls"
    return ""


def _complete(calls: list[Json], choice: Json, answer_id: str) -> None:
    known: list[object] = []
    for number, call in enumerate(calls):
        if call.get("id") in known and call.get("id"):  # Xinference gives all calls one id
            call["id"] = f"{call['id']}_{number}"
        complete_call(call, f"call_{answer_id}_{choice['index']}_{number}")
        function = call.get("function")
        if isinstance(function, dict) and not function.get("arguments"):
            # OpenRouter leaves out what is empty; of an answer that was cut it may be missing
            whole = choice["finish_reason"] != "length" or "arguments" not in function
            function["arguments"] = "{}" if whole else ""
        known.append(call["id"])


def _textual(message: Json) -> bool:
    """Make the content text or null; whether it can be made that."""
    content = message.setdefault("content", None)
    if isinstance(content, list):
        flatten(message, content)
    elif isinstance(content, dict):  # Cloudflare parses what it was held to by a schema
        message["content"] = _encode(content).decode()
    return isinstance(message["content"], str | None)
