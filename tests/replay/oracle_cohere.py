"""What a recording of Cohere's second chat interface says, read straight from its body.

https://docs.cohere.com/reference/chat, https://docs.cohere.com/reference/chat-stream
"""

from __future__ import annotations

import json
from typing import Any

from .outcome import Draft, Outcome, counts, failed, kind_of, sse

FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
ERRORS = (
    (0, "TOO_MANY_TOKENS|too many tokens", "context_too_long"),
    (401, "", "provider_credentials"),
    (402, "", "provider_refused"),
    (403, "", "provider_refused"),
    (404, "", "provider_model_missing"),
    (429, "", "provider_rate_limited"),
    (413, "", "provider_request_too_large"),
    (498, "", "provider_rejected|provider_credentials|content_filtered"),
    (499, "", "provider_unavailable"),
    (504, "", "upstream_timeout"),
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
    if record["endpoint"] == "chat.v1":  # another interface: no sound answer of the second one
        return failed("bad_upstream_reply|upstream_cut")
    if isinstance(body, str):
        return _stream(body)
    draft = Draft()
    message = body["message"]
    draft.text = message.get("tool_plan") or ""
    for part in message.get("content") or ():
        _take(draft, part)
    for call in message.get("tool_calls") or ():
        draft.call(None, call["function"]["name"], call["function"]["arguments"])
    if body["finish_reason"] in ("ERROR", "TIMEOUT"):
        return failed("bad_upstream_reply|provider_unavailable|upstream_timeout")
    draft.finish = FINISH[body["finish_reason"]]
    return Outcome({0: draft.choice()}, _tokens(body.get("usage")))


def _stream(body: str) -> Outcome:
    draft = Draft()
    for _, event in sse(body):
        kind, delta = event["type"], event.get("delta") or {}
        said = delta.get("message") or {}
        if kind in ("content-start", "content-delta"):
            _take(draft, said["content"])
        elif kind == "tool-plan-delta":
            draft.text += said["tool_plan"]
        elif kind in ("tool-call-start", "tool-call-delta"):
            told = said["tool_calls"]["function"]
            draft.call(event["index"], told.get("name", ""), told.get("arguments", ""))
        elif kind == "message-end":
            if delta["finish_reason"] in ("ERROR", "TIMEOUT"):
                types = "bad_upstream_reply|provider_unavailable|upstream_timeout"
                return failed(types, {0: draft.choice()})
            draft.finish = FINISH[delta["finish_reason"]]
            return Outcome({0: draft.choice()}, _tokens(delta.get("usage")))
    return failed("upstream_cut", {0: draft.choice()})


def _take(draft: Draft, part: dict[str, Any]) -> None:
    draft.text += part.get("text") or ""
    draft.reasoning += part.get("thinking") or ""


def _tokens(usage: dict[str, Any] | None) -> dict[str, int] | None:
    tokens = (usage or {}).get("tokens")
    if not usage or not tokens:
        return None
    read, written = tokens["input_tokens"], tokens["output_tokens"]
    return counts(
        input=read,
        output=written,
        total=read + written,
        cached=usage.get("cached_tokens"),
        reasoning=tokens.get("reasoning_tokens"),
    )
