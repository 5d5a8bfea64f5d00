"""What a recording of Converse or ConverseStream says, read straight from its body.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html; botocore
takes the binary frames apart.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from botocore.eventstream import EventStreamBuffer

from .outcome import Draft, Outcome, counts, failed, kind_of

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
ERRORS = (
    (0, "UnrecognizedClient|InvalidSignature|ExpiredToken", "provider_credentials"),
    (0, "IncompleteSignature|MissingAuthenticationToken", "provider_credentials"),
    (0, "InvalidClientTokenId|NotAuthorized", "provider_credentials"),
    (0, "AccessDenied.*make sure your API Key is valid", "provider_credentials"),
    (0, "AccessDenied", "provider_refused"),
    (0, "ServiceQuotaExceeded", "provider_refused|provider_rate_limited"),
    (0, "Throttling", "provider_rate_limited"),
    (0, "ResourceNotFound", "provider_model_missing"),
    (0, "model identifier is invalid|on-demand throughput isn.t supported",
        "provider_model_missing"),
    (0, "Input Tokens Exceeded|input is too long|prompt is too long", "context_too_long"),
    (0, "ModelTimeout", "upstream_timeout"),
    (0, "ServiceUnavailable|ModelNotReady|InternalServer|ModelStreamError|ModelError",
        "provider_unavailable"),
    (0, "validationException", "provider_rejected"),
    (429, "", "provider_rate_limited"),
    (403, "", "provider_credentials|provider_refused"),
    (404, "", "provider_model_missing"),
    (413, "", "provider_request_too_large"),
    (5, "", "provider_unavailable"),
    (4, "", "provider_rejected"),
)  # fmt: skip


def read(record: dict[str, Any]) -> Outcome:
    """The outcome of a recording."""
    response = record["response"]
    status, body = response["status"], response.get("body")
    if status != 200:
        words = (
            response["headers"].get("x-amzn-errortype", "")
            + " "
            + json.dumps(body, ensure_ascii=False)
        )
        return failed(kind_of(ERRORS, status, words))
    if "body_base64" in response:
        return _stream(base64.b64decode(response["body_base64"]))
    draft = Draft()
    for block in body["output"]["message"]["content"]:
        _take(draft, block)
    draft.finish = FINISH[body["stopReason"]]
    return Outcome({0: draft.choice()}, _tokens(body["usage"]))


def _take(draft: Draft, block: dict[str, Any]) -> None:
    draft.text += block.get("text", "")
    for part in block.get("citationsContent", {}).get("content", ()):
        draft.text += part["text"]
    draft.reasoning += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
    call = block.get("toolUse")
    if call and call.get("type") != "server_tool_use":
        draft.call(None, call["name"], json.dumps(call["input"]))


def _stream(data: bytes) -> Outcome:
    draft, tokens, ended = Draft(), None, False
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    for frame in buffer:
        body = json.loads(frame.payload)
        fault = frame.headers.get(":exception-type") or frame.headers.get(":error-code")
        if fault:
            kind = kind_of(ERRORS, 200, f"{fault} {frame.payload.decode()}")
            return failed(kind, {0: draft.choice()})
        kind, at = frame.headers[":event-type"], body.get("contentBlockIndex")
        if kind == "contentBlockStart":
            call = body["start"].get("toolUse")
            if call and call.get("type") != "server_tool_use":
                draft.call(at, call["name"], "")
        elif kind == "contentBlockDelta":
            delta = body["delta"]
            draft.text += delta.get("text", "")
            draft.reasoning += delta.get("reasoningContent", {}).get("text", "")
            if "toolUse" in delta and draft.has(at):
                draft.call(at, "", delta["toolUse"]["input"])
        elif kind == "messageStop":
            draft.finish, ended = FINISH[body["stopReason"]], True
        elif kind == "metadata":
            tokens = _tokens(body["usage"])
    choices = {0: draft.choice()}
    return Outcome(choices, tokens) if ended else failed("upstream_cut", choices)


def _tokens(usage: dict[str, Any]) -> dict[str, int]:
    cached, stored = usage.get("cacheReadInputTokens"), usage.get("cacheWriteInputTokens")
    return counts(
        input=usage["inputTokens"] + (cached or 0) + (stored or 0),
        output=usage["outputTokens"],
        total=usage["totalTokens"],
        cached=cached,
        written=stored,
    )
