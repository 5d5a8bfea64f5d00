"""The parts that whole and streamed answers of the Messages API share, in OpenAI's shape.

https://docs.anthropic.com/en/api/messages#response-content
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from callgate.core.chat import Json, Usage

MAX_COUNT = 2**53

FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "pause_turn": "stop",
        "tool_use": "tool_calls",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "refusal": "content_filter",
    }
)
"""https://docs.anthropic.com/en/api/handling-stop-reasons; others are a plain stop."""

_SERVICE_TIERS: Mapping[str, str] = MappingProxyType(
    {"standard": "default", "priority": "priority"}
)
_COUNTED = frozenset(
    {
        "input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
        "output_tokens_details",
    }
)  # fmt: skip
_URL_CITATIONS: Mapping[str, str] = MappingProxyType(
    {"web_search_result_location": "url", "search_result_location": "source"}
)
_ENCODE = msgspec.json.Encoder().encode


def finish_of(reason: str) -> str:
    """OpenAI's word for a stop reason."""
    return FINISH_REASONS.get(reason, "stop")


def call_of(block: Json) -> Json:
    """A `tool_use` block as a tool call. Raises ValueError where it is none."""
    id_, name, given = block.get("id"), block.get("name"), block.get("input")
    given = {} if given is None else given
    if not (isinstance(id_, str) and id_ and isinstance(name, str) and isinstance(given, dict)):
        raise ValueError("a tool call without id or name, or with an input that is not an object")
    arguments = _ENCODE(given).decode()
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def annotation_of(citation: Json, start: int, end: int) -> Json:
    """A citation as an annotation of the characters from `start` to `end` of the content.

    OpenAI's has one form only, `url_citation`; documents are cited under `file_citation` likewise.
    The provider's own fields stand beside OpenAI's.
    """
    fields = {key: value for key, value in citation.items() if value is not None}
    native = fields.pop("type", None)
    place = {"start_index": start, "end_index": end}
    url = _URL_CITATIONS.get(native) if isinstance(native, str) else None
    if url is None:
        return {"type": "file_citation", "file_citation": {**fields, "location": native, **place}}
    link = fields.pop(url, "")
    title = fields.pop("title", "")
    return {
        "type": "url_citation",
        "url_citation": {**fields, "url": link, "title": title, **place},
    }


def merge_usage(usage: Json, news: object) -> None:
    """Take over what a later report of a stream says; its counts are of all that went before.

    The last report holds, but that some servers say 0 there for an input that they have told.
    https://docs.anthropic.com/en/api/messages-streaming#event-types
    """
    if isinstance(news, dict):
        for key, value in news.items():
            if value is not None and (value != 0 or key == "output_tokens" or not usage.get(key)):
                usage[key] = value


def usage_of(raw: object) -> Usage | None:
    """The usage that the provider reports, None where it is none.

    Anthropic counts tokens read from and written to the cache beside `input_tokens`; here they are
    part of the input, as OpenAI has it.
    """
    if not isinstance(raw, dict):
        return None
    fresh, written = _count(raw, "input_tokens"), _count(raw, "output_tokens")
    if fresh is None and written is None:
        return None
    read, created = (
        _count(raw, "cache_read_input_tokens"),
        _count(raw, "cache_creation_input_tokens"),
    )
    kept = raw.get("cache_creation")
    hour = _count(kept, "ephemeral_1h_input_tokens") if isinstance(kept, dict) else None
    total_input = (fresh or 0) + (read or 0) + (created or 0)
    cached = {"cached_tokens": read, "cache_write_tokens": created}
    details = {key: value for key, value in cached.items() if value is not None}
    if hour:  # of those written: kept for an hour, which costs more than the usual five minutes
        details["cache_write_1h_tokens"] = hour
    output = raw.get("output_tokens_details")
    thinking = _count(output, "thinking_tokens") if isinstance(output, dict) else None
    extra = {key: value for key, value in raw.items() if key not in _COUNTED and value is not None}
    return Usage(
        input_tokens=total_input,
        output_tokens=written or 0,
        total_tokens=total_input + (written or 0),
        input_details=details or None,
        output_details={"reasoning_tokens": thinking} if thinking is not None else None,
        extra=extra or None,
    )


def extra_of(answer: Json) -> Json:
    """The further fields of an answer: the service tier in OpenAI's words, and Anthropic's own.

    `input_transformations` tells which thoughts of earlier turns were left out.
    """
    usage = answer.get("usage")
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    extra: Json = {
        key: answer[key]
        for key in ("container", "context_management", "input_transformations")
        if answer.get(key) not in (None, [])
    }
    if isinstance(tier, str) and tier in _SERVICE_TIERS:
        extra["service_tier"] = _SERVICE_TIERS[tier]
    return extra


def _count(raw: Json, name: str) -> int | None:
    value: Any = raw.get(name)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None
