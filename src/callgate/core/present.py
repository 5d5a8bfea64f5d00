"""What callers receive: answers, chunks and errors as JSON, in the contract's shapes.

An answer is the union of OpenAI's chat completion
(https://platform.openai.com/docs/api-reference/chat/object) and of AssemblyAI's
(https://www.assemblyai.com/docs/llm-gateway/chat-completions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, Raw

from callgate.core.chat import Chunk, Json, Usage
from callgate.core.completion import Completion, ToldUsage
from callgate.core.record import Attempt
from callgate.core.response import ChatResponse
from callgate.errors import GatewayError

DOCS_PATH = "/errors/"
"""The path under which a gateway explains each type of error."""

_json: Final = msgspec.json.Encoder().encode


_OWN_FIELDS: Final = frozenset(Completion.__struct_fields__)
_OF_INPUT: Final = ("cached_tokens", "audio_tokens")
_OF_OUTPUT: Final = (
    "reasoning_tokens",
    "audio_tokens",
    "accepted_prediction_tokens",
    "rejected_prediction_tokens",
)
"""OpenAI's details of usage, which it always gives; AssemblyAI's SDK for Python wants them all."""
_HEAD_FIELDS: Final = frozenset(
    {"id", "object", "created", "model", "request_id", "choices", "usage", "error"}
)


def response_json(
    answer: ChatResponse,
    *,
    request_id: str,
    model: str,
    parameters: Mapping[str, Raw],
    llm_status: int,
    response_time_ns: int,
) -> bytes:
    """A whole answer. `model` is the name that the caller knows; `parameters` go out as received.

    `llm_status` is the provider's HTTP status.
    """
    told = _encode(
        Completion(
            answer.id or request_id,
            "chat.completion",
            answer.created,
            model,
            [_with_tool_calls(choice) for choice in answer.choices],
            UNSET if answer.usage is None else usage_fields(answer.usage),
            request_id,
            parameters,
            200,
            llm_status,
            response_time_ns,
        )
    )
    extra = {name: value for name, value in answer.extra.items() if name not in _OWN_FIELDS}
    return b"%b,%b" % (_encode(extra)[:-1], told[1:]) if extra else told


def chunk_head(*, request_id: str, model: str, id: str, created: int) -> bytes:  # noqa: A002
    """The beginning that all chunks of one stream share, up to `choices`; encoded once."""
    fields = {
        "id": id,
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "request_id": request_id,
    }
    return b'%b,"choices":' % _encode(fields)[:-1]


def chunk_event(head: bytes, chunk: Chunk) -> bytes:
    """A chunk as a server-sent event: the shared head, its choices, what else it carries."""
    more: Json = {name: value for name, value in chunk.extra.items() if name not in _HEAD_FIELDS}
    if chunk.usage is not None:
        more["usage"] = usage_fields(chunk.usage)
    if not more:
        return b"data: %b%b}\n\n" % (head, _encode(chunk.choices))
    return b"data: %b%b,%b\n\n" % (head, _encode(chunk.choices), _encode(more)[1:])


def error_json(
    error: GatewayError,
    *,
    request_id: str,
    attempts: Sequence[Attempt] = (),
    support_contact: str = "",
    status_url: str = "",
    docs_url: str = DOCS_PATH,
) -> bytes:
    """A failure, as a body or as the last event of a stream.

    The support contact and the status page are named where the caller cannot fix the failure.
    `docs_url` is what, with the type put behind it, leads to the section on this failure. The id
    stands with the metadata too: of an event, OpenAI's SDKs give their users `error` alone.
    """
    kind = error.kind
    fix = error.fix
    if kind.origin != "client":
        fix += _support(support_contact, status_url)
    return _encode(
        {
            "request_id": request_id,
            "code": kind.status,
            "message": error.message,
            "metadata": {"errors": error.errors},
            "error": {
                "code": kind.status,
                "message": error.message,
                "type": kind.type,
                "param": error.param,
                "metadata": {
                    "errors": error.errors,
                    "origin": kind.origin,
                    "retryable": kind.retryable,
                    "cause": error.cause,
                    "fix": fix,
                    "docs": docs_url + kind.type,
                    "request_id": request_id,
                    "attempts": [_attempt(one) for one in attempts],
                },
            },
        }
    )


def usage_fields(usage: Usage) -> ToldUsage | Json:
    """Usage as callers read it, after what else the provider reports.

    Details that a provider gives are completed: of what it does not count there was none.
    """
    read, written = usage.input_tokens, usage.output_tokens
    given, told_of = usage.input_details, usage.output_details
    of_input = UNSET if given is None else _with_creation(_completed(_OF_INPUT, given))
    of_output = UNSET if told_of is None else _completed(_OF_OUTPUT, told_of)
    told = ToldUsage(
        read,
        written,
        usage.total_tokens,
        read,
        written,
        of_input,
        of_input,
        of_output,
        of_output,
        True if usage.estimated else UNSET,
    )
    if not usage.extra:
        return told
    fields = msgspec.structs.asdict(told)
    return {**usage.extra, **{name: one for name, one in fields.items() if one is not UNSET}}


def _completed(usual: tuple[str, ...], given: Json) -> Json:
    whole = None
    for name in usual:
        if given.get(name) is None:
            if whole is None:
                whole = given.copy()
            whole[name] = 0
    return given if whole is None else whole


def _with_creation(details: Json) -> Json:
    """The details of input, with what was written to a cache by how long it is kept there, as
    AssemblyAI tells it in Anthropic's words.
    """
    written = details.get("cache_write_tokens")
    if type(written) is not int:
        return details
    hour = details.get("cache_write_1h_tokens")
    hour = hour if type(hour) is int else 0
    by_time = {
        "ephemeral_5m_input_tokens": max(written - hour, 0),
        "ephemeral_1h_input_tokens": hour,
    }
    return {**details, "cache_creation": by_time}


def _with_tool_calls(choice: Json) -> Json:
    message = choice.get("message")
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    return {**choice, "tool_calls": calls} if calls else choice


def _support(contact: str, status_url: str) -> str:
    words = ""
    if contact:
        words += f" If it persists, write to {contact} and name the request_id."
    if status_url:
        words += f" Current status: {status_url}"
    return words


def _attempt(attempt: Attempt) -> dict[str, Any]:
    """What a caller may know of an attempt: not the operator's host, deployment or account."""
    return {
        "model": attempt.model,
        "provider": attempt.provider,
        "status": attempt.status,
        "error": attempt.error,
        "provider_request_id": attempt.provider_request_id,
        "duration_ms": round(attempt.duration_us / 1000, 3),
    }


def _encode(body: Json | list[Json] | Completion) -> bytes:
    try:
        return _json(body)
    except RecursionError:  # as deep as can just be decoded
        raise GatewayError(
            "bad_upstream_reply", "The provider's answer is nested too deeply."
        ) from None
