"""The parts that whole and streamed answers of Converse share, and whole answers.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from callgate.core.chat import Json, Usage
from callgate.errors import GatewayError
from callgate.providers.strict import Malformed, inner, listed, string

MAX_COUNT = 2**53

FINISH_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "end_turn": "stop",
        "stop_sequence": "stop",
        "max_tokens": "length",
        "model_context_window_exceeded": "length",
        "tool_use": "tool_calls",
        "guardrail_intervened": "content_filter",
        "content_filtered": "content_filter",
    }
)

_FAILURES: Mapping[str, str] = MappingProxyType(
    {
        "malformed_model_output": "The provider could not make sense of its model's output.",
        "malformed_tool_use": "The model called a tool in an invalid way.",
    }
)

_COUNTED = frozenset(
    {
        "inputTokens", "outputTokens", "totalTokens", "cacheReadInputTokens",
        "cacheWriteInputTokens", "cacheReadInputTokenCount", "cacheWriteInputTokenCount",
    }
)  # fmt: skip
_EXTRA: Mapping[str, str] = MappingProxyType(
    {
        "trace": "trace",
        "metrics": "metrics",
        "performanceConfig": "performance_config",
        "additionalModelResponseFields": "additional_model_response_fields",
    }
)

SERVER_TOOL = "server_tool_use"
"""The type of a call that the provider answers itself, so that it is none of the caller's."""

_json = msgspec.json.Encoder().encode


def finish_reason(reason: object) -> tuple[str, str]:
    """OpenAI's word and the provider's own.

    Raises GatewayError where the reason says that the answer failed, Malformed where it is none.
    """
    if not isinstance(reason, str) or not reason:
        raise Malformed("no stop reason")
    if reason in _FAILURES:
        raise GatewayError("bad_upstream_reply", _FAILURES[reason], detail=f"stopReason {reason}")
    return FINISH_REASONS.get(reason, "stop"), reason[:100]


def usage_of(raw: object) -> Usage | None:
    """The usage that is reported, None where it is none. What came from the cache or went into it
    is not in the provider's `inputTokens`, and is in ours.
    """
    if not isinstance(raw, dict):
        return None
    read, written = _count(raw.get("inputTokens")), _count(raw.get("outputTokens"))
    if read is None and written is None:
        return None
    cached = _count(raw.get("cacheReadInputTokens"))
    stored = _count(raw.get("cacheWriteInputTokens"))
    details = {
        name: count
        for name, count in (("cached_tokens", cached), ("cache_write_tokens", stored))
        if count is not None
    }
    hour = _kept_for_an_hour(raw.get("cacheDetails"))
    if hour:
        details["cache_write_1h_tokens"] = hour
    taken, given = (read or 0) + (cached or 0) + (stored or 0), written or 0
    total = _count(raw.get("totalTokens"))
    extra = {name: value for name, value in raw.items() if name not in _COUNTED and value}
    return Usage(
        input_tokens=taken,
        output_tokens=given,
        total_tokens=taken + given if total is None else total,
        input_details=details or None,
        extra=extra or None,
    )


def _kept_for_an_hour(rows: object) -> int:
    """Tokens written to a cache for an hour, dearer than those for five minutes.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_CacheDetail.html
    """
    return sum(
        _count(row.get("inputTokens")) or 0
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict) and row.get("ttl") == "1h"
    )


def extra_of(body: Json) -> Json:
    """What the provider says of the answer besides: trace of a guardrail, latency, tier."""
    extra = {ours: body[theirs] for theirs, ours in _EXTRA.items() if body.get(theirs)}
    tier = body.get("serviceTier")
    if isinstance(tier, dict) and isinstance(tier.get("type"), str):
        extra["service_tier"] = tier["type"]
    return extra


def redacted(data: str) -> Json:
    """Reasoning that only the provider can read. Claude's is text, the same as Anthropic's own."""
    try:
        text = binascii.a2b_base64(data, strict_mode=True).decode("ascii")
    except ValueError:
        return {"type": "redacted_thinking", "data": data, "format": "base64"}
    return {"type": "redacted_thinking", "data": text}


def placed(detail: Json, after_text: int, after_tools: int) -> Json:
    """An entry of `reasoning_details`, with how much of the answer came before it, if any."""
    if after_text:
        detail["after_text"] = after_text
    if after_tools:
        detail["after_tools"] = after_tools
    return detail


def annotation(citation: Json, start: int, end: int) -> Json:
    """A citation as OpenAI has it where it is of the web; documents are cited likewise.

    `start` and `end` are characters of the text.
    """
    span = {"start_index": start, "end_index": end}
    location, source = citation.get("location"), citation.get("source")
    web = location.get("web") if isinstance(location, dict) else None
    web = web if isinstance(web, dict) else {}
    url = web.get("url") or source
    if isinstance(url, str) and url.startswith(("http://", "https://")):
        title = citation.get("title") or web.get("domain") or ""
        return {
            "type": "url_citation",
            "url_citation": {**citation, "url": url, "title": title, **span},
        }
    return {"type": "file_citation", "file_citation": {**citation, **span}}


def message_of(content: object) -> Json:
    """OpenAI's message of the blocks of an answer. Raises Malformed."""
    if not isinstance(content, list):
        raise Malformed("no content")
    gathered = _Message()
    for block in content:
        gathered.take(inner(block))
    return gathered.message()


class _Message:
    """Gathers the blocks of one message."""

    def __init__(self) -> None:
        self._text = ""
        self._thoughts: list[str] = []
        self._details: list[Json] = []
        self._calls: list[Json] = []
        self._notes: list[Json] = []
        self._others: list[Json] = []

    def take(self, block: Json) -> None:
        if "text" in block:
            self._text += string(block["text"])
        elif "reasoningContent" in block:
            self._think(inner(block["reasoningContent"]))
        elif "toolUse" in block:
            self._call(block, inner(block["toolUse"]))
        elif "citationsContent" in block:
            self._cite(inner(block["citationsContent"]))
        else:
            self._others.append(block)

    def message(self) -> Json:
        message: Json = {"role": "assistant", "content": self._text or None}
        if not self._calls and not self._text:
            message["content"] = ""
        if self._thoughts:
            message["reasoning_content"] = "".join(self._thoughts)
        for name, value in (
            ("reasoning_details", self._details),
            ("tool_calls", self._calls),
            ("annotations", self._notes),
            ("content_parts", self._others),
        ):
            if value:
                message[name] = value
        return message

    def _think(self, block: Json) -> None:
        if "redactedContent" in block:
            self._detail(redacted(string(block["redactedContent"])))
            return
        thought = inner(block.get("reasoningText"))
        text, signature = string(thought.get("text", "")), thought.get("signature")
        self._thoughts.append(text)
        if isinstance(signature, str) and signature:
            self._detail({"type": "thinking", "thinking": text, "signature": signature})

    def _detail(self, detail: Json) -> None:
        self._details.append(placed(detail, len(self._text), len(self._calls)))

    def _call(self, block: Json, call: Json) -> None:
        if call.get("type") == SERVER_TOOL:
            self._others.append(block)
            return
        function = {
            "name": string(call.get("name")),
            "arguments": _json(call.get("input") or {}).decode(),
        }
        id_ = string(call.get("toolUseId"))
        self._calls.append({"id": id_, "type": "function", "function": function})

    def _cite(self, block: Json) -> None:
        start = len(self._text)
        for part in listed(block.get("content")):
            self._text += string(inner(part).get("text", ""))
        for citation in listed(block.get("citations")):
            self._notes.append(annotation(inner(citation), start, len(self._text)))


def _count(value: object) -> int | None:
    return value if type(value) is int and 0 <= value <= MAX_COUNT else None
