"""What a recording of the Messages API says, read straight from its body.

https://docs.anthropic.com/en/api/messages, https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

import json
from typing import Any

from .outcome import Draft, Outcome, counts, failed, kind_of, sse

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
ERRORS = (
    (0, "prompt is too long|exceed context limit|context window", "context_too_long"),
    (0, "credit balance is too low", "provider_refused"),
    (0, "overloaded_error", "provider_unavailable"),
    (0, "rate_limit_error", "provider_rate_limited"),
    (0, "timeout_error", "upstream_timeout"),
    (0, "request_too_large", "provider_request_too_large"),
    (0, "authentication_error", "provider_credentials"),
    (0, "permission_error|billing_error", "provider_refused"),
    (404, "not_found_error", "provider_model_missing"),
    (0, "api_error", "provider_unavailable"),
    (0, "invalid_request_error", "provider_rejected"),
    (429, "", "provider_rate_limited"),
    (401, "", "provider_credentials"),
    (403, "", "provider_refused"),
    (404, "", "provider_model_missing"),
    (413, "", "provider_request_too_large"),
    (5, "", "provider_unavailable"),
    (4, "", "provider_rejected"),
)


def read(record: dict[str, Any]) -> Outcome:
    """The outcome of a recording."""
    response = record["response"]
    status, body = response["status"], response["body"]
    if status != 200:
        words = body if isinstance(body, str) else json.dumps(body)
        return failed(kind_of(ERRORS, status, words))
    if isinstance(body, str):
        return _stream(body)
    draft = Draft()
    for block in body["content"]:
        _take(draft, block)
    draft.finish = FINISH[body["stop_reason"]]
    return Outcome({0: draft.choice()}, _tokens(body["usage"]))


def _stream(body: str) -> Outcome:
    draft, usage, ended = Draft(), {}, False
    for _, event in sse(body):
        kind = event["type"]
        if kind == "message_start":
            usage = dict(event["message"]["usage"])
        elif kind == "content_block_start":
            _take(draft, event["content_block"], event["index"])
        elif kind == "content_block_delta":
            _take(draft, event["delta"], event["index"])
        elif kind == "message_delta":
            draft.finish = FINISH[event["delta"]["stop_reason"]]
            told = event.get("usage") or {}
            usage |= {name: count for name, count in told.items() if count is not None}
        elif kind == "error":
            return failed(kind_of(ERRORS, 200, json.dumps(event)), {0: draft.choice()})
        ended |= kind == "message_stop"
    if not ended:
        return failed("upstream_cut", {0: draft.choice()})
    return Outcome({0: draft.choice()}, _tokens(usage))


def _take(draft: Draft, block: dict[str, Any], at: int | None = None) -> None:
    kind = block["type"]
    if kind in ("text", "text_delta"):
        draft.text += block["text"]
    elif kind in ("thinking", "thinking_delta"):
        draft.reasoning += block["thinking"]
    elif kind == "tool_use":
        # What a stream says of the input at the start is a placeholder.
        given = json.dumps(block["input"]) if at is None else ""
        draft.call(at, block["name"], given)
    elif kind == "input_json_delta" and draft.has(at):
        draft.call(at, "", block["partial_json"])


def _tokens(usage: dict[str, Any]) -> dict[str, int]:
    cached, stored = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    read = usage["input_tokens"] + (cached or 0) + (stored or 0)
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    return counts(
        input=read,
        output=usage["output_tokens"],
        total=read + usage["output_tokens"],
        cached=cached,
        written=stored,
        reasoning=thinking,
    )
