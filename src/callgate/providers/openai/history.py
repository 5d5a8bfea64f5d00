"""Conversation histories for servers that refuse what they do not know.

Most servers of the dialect ignore fields that mean nothing to them, so an answer can be sent back
as it came, whoever gave it. Groq, Mistral and Cerebras refuse the whole request instead. They get
an answer without the fields that only describe how it came about: reasoning that they have no
field for, signatures, sources, nulls. Fields that the caller added stay.

A server that does not know the role `developer`, OpenAI's newer name of `system`, gets the older
one.

Mistral accepts only call ids of its own form; others are hashed into it, deterministically.

OpenAI refuses some of the nulls that its own SDK writes when it turns an answer into a dictionary.

While they think, DeepSeek and Kimi refuse earlier calls without a thought: clients drop the
thoughts, and other models do not reveal any. They get a blank one.

Mistral's own reasoning comes as parts of the content, and is sent back likewise:
https://docs.mistral.ai/capabilities/reasoning/
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import msgspec
from msgspec import Raw

from callgate.core.chat import ChatBody, Json, Message
from callgate.core.models import Deployment, Vendor
from callgate.core.request import ChatRequest

TOLD: Final = frozenset(
    {
        "annotations", "audio", "citations", "content_parts", "executed_tools", "extra_content",
        "function_call", "images", "parsed", "reasoning", "reasoning_content",
        "reasoning_details", "refusal",
    }
)  # fmt: skip
"""Fields of answers besides content and tool calls."""

_NOT_NULL: Final = ("annotations", "function_call", "tool_calls")
_NULLS: Final = re.compile(rb'"(?:annotations|function_call|tool_calls)"\s*:\s*null')
_ABOUT_CALLS: Final = ("extra_content", "index")
_NULL: Final = Raw(b"null")
_ALWAYS_THINKS: Final = "magistral"
_NEVER_THINKS: Final = "deepseek-chat"
_NO_THOUGHT: Final = " "  # DeepSeek V4 Pro refuses an empty one
_objects: Final = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_encode: Final = msgspec.json.Encoder().encode
_SHORT: Final = re.compile(r"[A-Za-z0-9]{9}")


def sent_back(request: ChatRequest, deployment: Deployment) -> Raw | list[dict[str, Any]]:
    """The messages in the form that the deployment's server accepts."""
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
    messages: list[dict[str, Any]] = []
    for sent, message in zip(_objects(raw), request.messages, strict=True):
        turn: dict[str, Any] = sent
        if nulls and message.role == "assistant":
            turn = _without_nulls(sent)
        if renamed and message.role == "developer":
            turn = {**turn, "role": "system"}
        elif short and message.role == "tool":
            turn = {**turn, "tool_call_id": short_id(message.tool_call_id or "")}
        elif wanted and message.tool_calls and not message.reasoning_content:
            turn = {**turn, "reasoning_content": message.reasoning or _NO_THOUGHT}
        elif strict and message.role == "assistant":
            turn = _plain_answer(turn, message, vendor, in_parts=in_parts)
        messages.append(turn)
    return messages


def _plain_answer(
    given: dict[str, Any], message: Message, vendor: Vendor, *, in_parts: bool
) -> dict[str, Any]:
    """An earlier answer with only the fields that the vendor accepts."""
    accepted = vendor.answer_fields or frozenset()
    turn = {
        name: value
        for name, value in given.items()
        if name not in TOLD or (name in accepted and value != _NULL)
    }
    thought = message.reasoning_content or message.reasoning
    if thought and in_parts:
        turn["content"] = _with_thought(thought, given.get("content"))
    elif message.refusal and not message.content:
        turn["content"] = message.refusal
    if message.tool_calls:
        calls: list[dict[str, Any]] = [
            {name: value for name, value in call.items() if name not in _ABOUT_CALLS}
            for call in _objects(given["tool_calls"])
        ]
        if vendor.short_ids:
            for call, known in zip(calls, message.tool_calls, strict=True):
                call["id"] = short_id(known.id)
        turn["tool_calls"] = calls
    return turn


def _without_nulls(turn: dict[str, Raw]) -> dict[str, Raw]:
    """An earlier answer without the nulls that the SDK which read it has added, and OpenAI refuses:
    https://github.com/openai/openai-python/issues/777
    """
    return {name: value for name, value in turn.items() if value != _NULL or name not in _NOT_NULL}


def short_id(given: str) -> str:
    """A call id in the form that Mistral accepts."""
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
