"""Messages for servers that refuse what they do not know: earlier answers, a new role.

Most servers of the dialect pass over fields that mean nothing to them, so that an answer can be
sent back as it came, whoever gave it. Groq, Mistral and Cerebras refuse the whole request
instead. They get an answer without what only tells how it came about: reasoning that they have no
field for, signatures, sources, nulls. What the caller has added by itself stays.

Where a server does not know the role `developer`, OpenAI's newer word for `system`, it gets the
older one.

Mistral takes only ids of calls in the form of its own; others are hashed into it, the same each
time.

OpenAI refuses some of the nulls that its own SDK writes where an answer is made a dictionary.

DeepSeek and Kimi refuse, while they think, earlier calls that no thought led to: clients lose the
thoughts, and other models have none to tell. They get a blank one there.

Mistral's own reasoning came as parts of the content and goes back so:
https://docs.mistral.ai/capabilities/reasoning/
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from callgate.core.chat import ChatBody, Json
from callgate.core.models import Deployment
from callgate.core.request import ChatRequest

TOLD: Final = frozenset(
    {
        "annotations", "audio", "citations", "content_parts", "executed_tools", "extra_content",
        "function_call", "images", "parsed", "reasoning", "reasoning_content",
        "reasoning_details", "refusal",
    }
)  # fmt: skip
"""What answers carry besides content and tool calls."""

_NOT_NULL: Final = ("annotations", "function_call", "tool_calls")
_NULLS: Final = re.compile(rb'"(?:annotations|function_call|tool_calls)"\s*:\s*null')
_ABOUT_CALLS: Final = ("extra_content", "index")
_NULL: Final = Raw(b"null")
_ALWAYS_THINKS: Final = "magistral"
_NEVER_THINKS: Final = "deepseek-chat"
_NO_THOUGHT: Final = " "  # DeepSeek V4 Pro takes no empty one
_objects: Final = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_encode: Final = msgspec.json.Encoder().encode
_SHORT: Final = re.compile(r"[A-Za-z0-9]{9}")


def sent_back(request: ChatRequest, deployment: Deployment) -> Raw | list[dict[str, Any]]:
    """The messages as the deployment's server takes them."""
    raw, vendor = request.raw["messages"], deployment.vendor
    strict, renamed = vendor.answer_fields is not None, not vendor.developer
    short = vendor.short_ids
    wanted = vendor.calls_need_thoughts and not _is_quiet(request.body, deployment.upstream_model)
    nulls = request.has_answer and _NULLS.search(raw) is not None  # as slow as decoding them
    if not any(
        ((strict or nulls) and message.role == "assistant")
        or (renamed and message.role == "developer")
        or (wanted and message.tool_calls)
        for message in request.messages
    ):
        return raw
    in_parts = vendor.thoughts_in_parts and _thinks(request.body, deployment.upstream_model)
    taken = vendor.answer_fields or frozenset()
    messages: list[dict[str, Any]] = []
    for sent, message in zip(_objects(raw), request.messages, strict=True):
        given = sent
        if renamed and message.role == "developer":
            messages.append({**given, "role": "system"})
            continue
        if nulls and message.role == "assistant":
            given = _without_nulls(given)
        if short and message.role == "tool":
            messages.append({**given, "tool_call_id": short_id(message.tool_call_id or "")})
            continue
        if wanted and message.tool_calls and not message.reasoning_content:
            messages.append({**given, "reasoning_content": message.reasoning or _NO_THOUGHT})
            continue
        if not strict or message.role != "assistant":
            messages.append(given)
            continue
        turn: dict[str, Any] = {
            name: value
            for name, value in given.items()
            if name not in TOLD or (name in taken and value != _NULL)
        }
        thought = message.reasoning_content or message.reasoning
        if thought and in_parts:
            turn["content"] = _with_thought(thought, given.get("content"))
        elif message.refusal and not message.content:
            turn["content"] = message.refusal
        if message.tool_calls:
            turn["tool_calls"] = [
                {name: value for name, value in call.items() if name not in _ABOUT_CALLS}
                for call in _objects(given["tool_calls"])
            ]
            if short:
                for call, known in zip(turn["tool_calls"], message.tool_calls, strict=True):
                    call["id"] = short_id(known.id)
        messages.append(turn)
    return messages


def _without_nulls(turn: dict[str, Raw]) -> dict[str, Raw]:
    """An earlier answer without the nulls that the SDK which read it has added, and OpenAI refuses:
    https://github.com/openai/openai-python/issues/777
    """
    return {name: value for name, value in turn.items() if value != _NULL or name not in _NOT_NULL}


def short_id(given: str) -> str:
    """The id of a call as Mistral takes it."""
    if _SHORT.fullmatch(given):
        return given
    return hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()[:9]


def _thinks(body: ChatBody, upstream_model: str) -> bool:
    """Whether the model is one that reasons, so that it knows what such a part is."""
    return _ALWAYS_THINKS in upstream_model or body.reasoning_effort not in (None, "none")


def _is_quiet(body: ChatBody, upstream_model: str) -> bool:
    """Whether a model that thinks unless told otherwise is told so."""
    thinking = body.thinking or {}
    return (
        thinking.get("type") == "disabled"
        or body.reasoning_effort == "none"
        or upstream_model == _NEVER_THINKS
    )


def _with_thought(thought: str, content: Raw | None) -> list[Json | Raw]:
    parts: list[Json | Raw] = [
        {"type": "thinking", "thinking": [{"type": "text", "text": thought}]}
    ]
    value = None if content is None else msgspec.json.decode(content)
    if isinstance(value, str) and value:
        parts.append({"type": "text", "text": value})
    elif isinstance(value, list):
        parts += value
    return parts
