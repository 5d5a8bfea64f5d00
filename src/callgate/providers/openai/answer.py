"""The parts that whole and streamed answers of the OpenAI dialect share, made uniform.

The tables and branches here are the differences between the servers that speak the dialect; what
they send beyond it stays in the objects untouched.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from callgate.core.chat import Json, Usage
from callgate.errors import GatewayError

MAX_COUNT: Final = 2**53

FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "stop": "stop",
        "end_turn": "stop",
        "eos": "stop",
        "eos_token": "stop",
        "stop_sequence": "stop",
        "complete": "stop",
        "completed": "stop",
        "length": "length",
        "max_tokens": "length",
        "max_output_tokens": "length",
        "model_length": "length",  # Mistral: the context is full
        "tool_calls": "tool_calls",
        "tool_call": "tool_calls",  # DeepSeek on Azure
        "tool_use": "tool_calls",
        "content_filter": "content_filter",
        "safety": "content_filter",
        "function_call": "function_call",
    }
)
"""Providers' own words, in lower case, as OpenAI's."""

_FAILURES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "error": ("upstream_cut", "The provider broke the answer off because of an error."),
        "abort": ("upstream_cut", "The provider broke the answer off."),  # vLLM, SGLang
        "insufficient_system_resource": (  # DeepSeek
            "provider_unavailable",
            "The provider broke the answer off because of a lack of capacity.",
        ),
    }
)

_PLAIN: Final = frozenset(
    {
        "prompt_tokens", "completion_tokens", "total_tokens",
        "prompt_tokens_details", "completion_tokens_details",
    }
)  # fmt: skip
_INPUT = ("prompt_tokens", "input_tokens")
_OUTPUT = ("completion_tokens", "output_tokens")
_INPUT_DETAILS = ("prompt_tokens_details", "input_tokens_details")
_OUTPUT_DETAILS = ("completion_tokens_details", "output_tokens_details")
_OWN = frozenset((*_INPUT, *_OUTPUT, *_INPUT_DETAILS, *_OUTPUT_DETAILS, "total_tokens"))
_CACHED = ("prompt_cache_hit_tokens", "num_cached_tokens", "cached_tokens")
"""Where DeepSeek, Mistral and Moonshot put the cached tokens beside, or instead of, the details."""


def finish(choice: Json, reason: object) -> None:
    """Give the choice OpenAI's finish reason, and the provider's own word beside it.

    Raises GatewayError where the reason says that the answer failed.
    """
    if not isinstance(reason, str) or not reason:
        choice["finish_reason"] = None
        return
    word = reason.lower()
    if word in _FAILURES:
        kind, message = _FAILURES[word]
        raise GatewayError(kind, message, detail=f"finish_reason {reason[:100]!r}")
    choice["finish_reason"] = FINISH_REASONS.get(word, "stop")
    if choice.get("native_finish_reason") is None:
        choice["native_finish_reason"] = reason


def flatten(message: Json, parts: list[Any]) -> None:
    """Turn Mistral's list content into text and `reasoning_content`.

    https://docs.mistral.ai/capabilities/reasoning/; parts of other types are kept, in order, under
    `content_parts`.
    """
    text: list[str] = []
    thoughts: list[str] = []
    others: list[Any] = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            text.append(_string(part.get("text")))
        elif kind == "thinking":
            inner = part.get("thinking")
            pieces = inner if isinstance(inner, list) else [{"text": inner}]
            thoughts.extend(_string(one.get("text")) for one in pieces if isinstance(one, dict))
        elif isinstance(part, str):
            text.append(part)
        else:
            others.append(part)
    message["content"] = "".join(text)
    if thoughts:
        message["reasoning_content"] = _string(message.get("reasoning_content")) + "".join(thoughts)
    if others:
        message["content_parts"] = others


def complete_call(call: Json, fallback_id: str) -> None:
    """Give a tool call that begins what it lacks: an id, its type, arguments as a string."""
    if not call.get("id"):  # Google's compatible endpoint leaves it empty
        call["id"] = fallback_id
    function = call.get("function")
    if isinstance(function, dict):
        call.setdefault("type", "function")
        textual_arguments(function)


def textual_arguments(function: Json) -> None:
    """Turn arguments that came as a JSON value into the JSON text that OpenAI has there."""
    arguments = function.get("arguments")
    if arguments is not None and not isinstance(arguments, str):
        function["arguments"] = msgspec.json.encode(arguments).decode()


def usage_of(raw: object) -> Usage | None:
    """The usage that the provider reports, None where it is none.

    xAI counts reasoning beside `completion_tokens` (its total gives that away); here it is always
    part of the output, as OpenAI has it.
    """
    if not isinstance(raw, dict):
        return None
    usage = _plain_usage(raw)
    if usage is not None:
        return usage
    given_input, given_output = _count(raw, _INPUT), _count(raw, _OUTPUT)
    if given_input is None and given_output is None:
        return None
    read, written = given_input or 0, given_output or 0
    total = _count(raw, ("total_tokens",))
    read_details, written_details = _details(raw, _INPUT_DETAILS), _details(raw, _OUTPUT_DETAILS)
    if written_details is not None:
        reasoning = _count(written_details, ("reasoning_tokens",)) or 0
        if reasoning and total == read + written + reasoning:
            written += reasoning
    cached = _count(raw, _CACHED)
    if cached is not None and (read_details or {}).get("cached_tokens") is None:
        read_details = {**(read_details or {}), "cached_tokens": cached}
    extra = {name: value for name, value in raw.items() if name not in _OWN}
    return Usage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written if total is None else total,
        input_details=read_details,
        output_details=written_details,
        extra=extra or None,
    )


def _plain_usage(raw: Json) -> Usage | None:
    """The usage as most servers say it, None where it is said in any other way."""
    for name in raw:
        if name not in _PLAIN:
            return None
    of_prompt, of_answer = raw.get("prompt_tokens"), raw.get("completion_tokens")
    if type(of_prompt) is not int or type(of_answer) is not int:
        return None
    read: int = of_prompt
    written: int = of_answer
    total = read + written
    if raw.get("total_tokens") != total or not 0 <= read <= total <= MAX_COUNT:
        return None
    of_input, of_output = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    return Usage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=total,
        input_details=of_input if type(of_input) is dict else None,
        output_details=of_output if type(of_output) is dict else None,
    )


def integer(value: object) -> int:
    """A count or a time that a provider gave, 0 where it makes no sense."""
    if type(value) is float and 0 <= value <= MAX_COUNT:
        return int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else 0


def _count(raw: Json, names: tuple[str, ...]) -> int | None:
    for name in names:
        value = raw.get(name)
        if type(value) is int or type(value) is float:
            return integer(value)
    return None


def _details(raw: Json, names: tuple[str, ...]) -> Json | None:
    for name in names:
        value = raw.get(name)
        if isinstance(value, dict):
            return value
    return None


def _string(value: object) -> str:
    return value if isinstance(value, str) else ""
