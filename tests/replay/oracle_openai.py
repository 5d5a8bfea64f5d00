"""What a recording in the OpenAI dialect says, read straight from its body.

https://platform.openai.com/docs/api-reference/chat/object, and the vendors' own ways with it.
"""

from __future__ import annotations

import json
from typing import Any

from .outcome import Choice, Draft, Outcome, counts, failed, kind_of, sse

ERRORS = (
    (0, "insufficient_quota|billing", "provider_refused"),
    (429, "", "provider_rate_limited"),
    (400, "context length|context_length_exceeded|too large for model", "context_too_long"),
    (400, "maximum prompt length|model token limit", "context_too_long"),
    (403, "violates usage guidelines|flagged|content_filter", "content_filtered"),
    (400, "content_filter|content management policy", "content_filtered"),
    (400, "Incorrect API key", "provider_credentials"),
    (401, "", "provider_credentials"),
    (402, "", "provider_refused"),
    (403, "not allowed to request", "provider_rejected"),
    (403, "model_not_found", "provider_model_missing"),
    (403, "", "provider_refused"),
    (404, "not supported in this model|No endpoints found that support", "provider_rejected"),
    (404, "", "provider_model_missing"),
    (400, "Model Not Exist|supported API model names|model ID", "provider_model_missing"),
    (400, "Invalid model:|decommissioned|model.not.found", "provider_model_missing"),
    (408, "", "upstream_timeout"),
    (413, "", "provider_request_too_large"),
    (498, "", "provider_unavailable"),
    (504, "", "upstream_timeout"),
    (5, "", "provider_unavailable"),
    (4, "", "provider_rejected"),
    # inside a 200 that says no status
    (200, "max_tokens or model output limit", "provider_rejected"),
    (200, "rate.?limit", "provider_rate_limited"),
    (200, "content_filter", "content_filtered"),
    (200, "invalid_request|validation failed|failed_generation", "provider_rejected"),
    (200, "", "provider_unavailable|bad_upstream_reply"),
)  # fmt: skip
FINISH = {
    "tool_call": "tool_calls",  # DeepSeek on Azure
    "eos": "stop",  # Together
    "model_length": "length",  # Mistral
}
FAILED = {
    "error": "upstream_cut",
    "insufficient_system_resource": "provider_unavailable",  # DeepSeek
}


def read(record: dict[str, Any]) -> Outcome:
    """The outcome of a recording."""
    response = record["response"]
    status, body = response["status"], response["body"]
    if status != 200:
        words = body if isinstance(body, str) else json.dumps(body)
        return failed(kind_of(ERRORS, status, words))
    bodies = [data for _, data in sse(body)] if isinstance(body, str) else [body]
    drafts: dict[int, Draft] = {}
    tokens = None
    for data in bodies:
        for choice in data.get("choices") or ():
            _take(drafts.setdefault(choice.get("index") or 0, Draft()), choice)
        fault = _fault(data)
        if fault is not None:
            said = {at: draft.choice() for at, draft in drafts.items()}
            return failed(_kind(fault), said)
        usage = data.get("usage") or (data.get("x_groq") or {}).get("usage")
        tokens = _tokens(usage) if usage else tokens
    choices = {at: draft.choice() for at, draft in drafts.items()}
    marked = isinstance(body, str) and "[DONE]" in body and bool((tokens or {}).get("output"))
    if isinstance(body, str) and not marked and not _finished(choices):
        return failed("upstream_cut", choices)
    return Outcome(choices, tokens)


def _finished(choices: dict[int, Choice]) -> bool:
    return bool(choices) and all(one.finish for one in choices.values())


def _fault(data: dict[str, Any]) -> Any:
    """The error object inside an answer of status 200."""
    choices = data.get("choices") or ()
    inside = [one["error"] for one in choices if one.get("error")]
    inside += [
        FAILED[one["finish_reason"]] for one in choices if one.get("finish_reason") in FAILED
    ]
    return data.get("error") or (inside[0] if inside else None)


def _kind(fault: Any) -> str:
    if fault in FAILED.values():
        return str(fault)
    code = fault.get("status_code") or fault.get("code") if isinstance(fault, dict) else None
    return kind_of(ERRORS, code if isinstance(code, int) else 200, json.dumps(fault))


def _take(draft: Draft, choice: dict[str, Any]) -> None:
    message = choice.get("message") or choice.get("delta") or {}
    content = message.get("content") or ""
    if isinstance(content, dict):  # Cloudflare, which parses what a schema asked for
        content = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    draft.reasoning += message.get("reasoning_content") or message.get("reasoning") or ""
    parts: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content}]
    for part in parts:
        if part["type"] == "text":
            draft.text += part["text"]
        elif part["type"] == "thinking":  # Mistral
            draft.reasoning += "".join(one.get("text", "") for one in part["thinking"])
    for call in message.get("tool_calls") or ():
        told = call.get("function") or call.get("custom") or {}
        arguments = told.get("arguments") or told.get("input") or ""
        draft.call(call.get("index"), told.get("name") or "", arguments)
    finish = choice.get("finish_reason")
    draft.finish = FINISH.get(finish, finish) or draft.finish


def _tokens(usage: dict[str, Any]) -> dict[str, int]:
    into = usage.get("prompt_tokens_details") or {}
    out = usage.get("completion_tokens_details") or {}
    read, written = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    total, reasoning = usage.get("total_tokens"), out.get("reasoning_tokens")
    if reasoning and read + written + reasoning == total:  # xAI counts reasoning beside the output
        written += reasoning
    cached = into.get("cached_tokens")
    return counts(
        input=read,
        output=written,
        total=total,
        cached=usage.get("prompt_cache_hit_tokens") if cached is None else cached,
        reasoning=reasoning,
    )
