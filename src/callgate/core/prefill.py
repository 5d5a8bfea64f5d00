"""Has a model go on with an answer that was begun, which becomes the request's last turn.

How a target is told to go on differs; `providers.prefill` knows what each takes.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import msgspec
from msgspec import Raw

from callgate.core.chat import ChatBody, Json, Message
from callgate.core.request import ChatRequest
from callgate.core.validate import output_limit

_encode = msgspec.json.Encoder().encode
_CHARACTERS_PER_TOKEN = 4
_NOTHING: Mapping[str, bool] = MappingProxyType({})


class Prefill(NamedTuple):
    """How a target takes a beginning.

    `mark` is the field that says so on the last message, `fields` those that say so on the request;
    `echoes` that the answer is known to repeat the beginning.
    """

    mark: str = ""
    fields: Mapping[str, bool] = _NOTHING
    echoes: bool = False


def can_go_on(request: ChatRequest) -> bool:
    """Whether an answer to the request can be continued by another attempt at all.

    Several answers at once, log probabilities, structured output and sound cannot be joined.
    """
    body = request.body
    return not (
        (body.n or 1) > 1
        or body.logprobs
        or body.top_logprobs
        or body.audio is not None
        or (body.response_format is not None and body.response_format.type != "text")
        or (body.modalities is not None and body.modalities != ["text"])
    )


def takes_beginning(request: ChatRequest) -> bool:
    """Whether a beginning may be put at the end of the request's conversation.

    Not where the model is to think first, or has to call a tool: models refuse a beginning then.
    Nor where the conversation ends with the assistant's turn already.
    """
    body = request.body
    return (
        request.messages[-1].role != "assistant"
        and body.tool_choice in (None, "auto", "none")
        and not _thinks(body)
    )


def prefilled(request: ChatRequest, beginning: str, way: Prefill, most: int) -> ChatRequest:
    """The request with the beginning of its answer; `most` is the model's own output limit.

    The output limit is the caller's, less what the beginning has used of it by estimate.
    """
    raw = dict(request.raw)
    last: Json = {"role": "assistant", "content": beginning}
    if way.mark:
        last[way.mark] = True
    prompt = raw.pop("prompt", None)
    if request.body.prompt is not None and prompt is not None:
        before = b'[{"role":"user","content":%b}' % bytes(prompt)
    else:
        before = bytes(raw["messages"]).rstrip()[:-1]
    raw["messages"] = Raw(b"%b,%b]" % (before, _encode(last)))
    raw.update((name, Raw(_encode(value))) for name, value in way.fields.items())
    prefix = True if way.mark == "prefix" else None
    messages = [
        *request.messages,
        Message(role="assistant", content=beginning, prefix=prefix),
    ]
    left = output_limit(request, most) - len(beginning) // _CHARACTERS_PER_TOKEN
    body = msgspec.structs.replace(
        request.body,
        messages=messages,
        prompt=None,
        max_tokens=max(left, 1),
        max_completion_tokens=None,
    )
    return request.replace(body=body, raw=raw, messages=messages)


def _thinks(body: ChatBody) -> bool:
    reasoning, thinking = body.reasoning, body.thinking
    return (
        body.reasoning_effort not in (None, "none")
        or (thinking is not None and thinking.get("type") != "disabled")
        or (
            reasoning is not None
            and reasoning.get("enabled") is not False
            and reasoning.get("effort") != "none"
        )
    )
