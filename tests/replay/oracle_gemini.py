"""What a recording of generateContent or streamGenerateContent says, read straight from its body.

https://ai.google.dev/api/generate-content#GenerateContentResponse
"""

from __future__ import annotations

import json
from typing import Any

from .outcome import Draft, Outcome, counts, failed, kind_of, sse

FINISH = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "UNEXPECTED_TOOL_CALL": "stop",
    **dict.fromkeys(
        ("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII",
         "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "MODEL_ARMOR"),
        "content_filter",
    ),
}  # fmt: skip
NUMBERED = {1: "STOP", 2: "MAX_TOKENS", 3: "SAFETY", 4: "RECITATION"}
ERRORS = (
    (400, "API key not valid|API key expired|API_KEY_INVALID", "provider_credentials"),
    (400, "input token count .* exceeds|exceeds the maximum number of tokens", "context_too_long"),
    (400, "unexpected model name format", "provider_model_missing"),
    (400, "User location is not supported|FAILED_PRECONDITION", "provider_refused"),
    (401, "", "provider_credentials"),
    (403, "", "provider_refused|provider_credentials"),
    (404, "", "provider_model_missing"),
    (413, "", "provider_request_too_large"),
    (429, "", "provider_rate_limited"),
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
    bodies = [data for _, data in sse(body)] if isinstance(body, str) else body
    drafts: dict[int, Draft] = {}
    finishes: dict[int, Any] = {}
    usage: dict[str, Any] = {}
    for data in bodies if isinstance(bodies, list) else [bodies]:
        if "error" in data:
            code = data["error"].get("code", 500)
            return failed(kind_of(ERRORS, code, json.dumps(data)), _choices(drafts, finishes))
        if (data.get("promptFeedback") or {}).get("blockReason") and not data.get("candidates"):
            return failed("content_filtered", _choices(drafts, finishes))
        for at, candidate in enumerate(data.get("candidates") or ()):
            index = candidate.get("index", at)
            draft = drafts.setdefault(index, Draft())
            for part in (candidate.get("content") or {}).get("parts") or ():
                _take(draft, part)
            finishes[index] = candidate.get("finishReason", finishes.get(index))
        told = data.get("usageMetadata") or {}
        usage = told if any(name.endswith("TokenCount") for name in told) else usage
    choices = _choices(drafts, finishes)
    if isinstance(bodies, list) and not any(one.finish for one in choices.values()):
        return failed("upstream_cut", choices)
    return Outcome(choices, _tokens(usage) if usage else None)


def _choices(drafts: dict[int, Draft], finishes: dict[int, Any]) -> dict[int, Any]:
    choices = {}
    for at, draft in drafts.items():
        word = finishes[at]
        choice = draft.choice()
        finish = FINISH[NUMBERED.get(word, word)] if word is not None else None
        called = finish == "stop" and bool(choice.calls)
        choices[at] = choice._replace(finish="tool_calls" if called else finish)
    return choices


def _take(draft: Draft, part: dict[str, Any]) -> None:
    if "functionCall" in part:
        call = part["functionCall"]
        draft.call(None, call["name"], json.dumps(call.get("args") or {}))
    elif part.get("thought"):
        draft.reasoning += part.get("text", "")
    else:
        draft.text += part.get("text", "")


def _tokens(usage: dict[str, Any]) -> dict[str, int]:
    asked = usage.get("promptTokenCount")
    thoughts = usage.get("thoughtsTokenCount", 0)
    return counts(
        input=None if asked is None else asked + usage.get("toolUsePromptTokenCount", 0),
        output=usage.get("candidatesTokenCount", 0) + thoughts,
        total=usage.get("totalTokenCount"),
        cached=usage.get("cachedContentTokenCount"),
        reasoning=thoughts or None,
    )
