"""The tokens that Gemini counts.

https://ai.google.dev/api/generate-content#UsageMetadata
"""

from __future__ import annotations

from callgate.core.chat import Json, Usage
from callgate.providers.gemini.answer import word_of

MAX_COUNT = 2**53

_MODALITIES = ("MODALITY_UNSPECIFIED", "TEXT", "IMAGE", "VIDEO", "AUDIO", "DOCUMENT")
COUNTS = frozenset(
    {
        "promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount",
        "toolUsePromptTokenCount",
    }
)  # fmt: skip
"""One of these at least is in a usage that says anything."""


def usage_of(raw: object) -> Usage | None:
    """The usage that Gemini reports, None where it is none.

    Thinking stands beside the candidates' tokens there, and what the tools of Google brought in
    beside the prompt's. The prompt's count is left out where the prompt has files by URL: it is
    what the total leaves over.
    """
    if not isinstance(raw, dict):
        return None
    if not any(type(raw.get(name)) in (int, float) for name in COUNTS):
        return None
    thoughts = _count(raw, "thoughtsTokenCount")
    written = _count(raw, "candidatesTokenCount") + thoughts
    total = _count(raw, "totalTokenCount")
    tools = _count(raw, "toolUsePromptTokenCount")
    if "promptTokenCount" in raw:
        read = _count(raw, "promptTokenCount") + tools
    else:
        read = max(total - written, tools)
    cached = _count(raw, "cachedContentTokenCount")
    read_details: Json = {"cached_tokens": cached}
    written_details: Json = {"reasoning_tokens": thoughts}
    _modality(raw.get("promptTokensDetails"), read_details)
    _modality(raw.get("candidatesTokensDetails"), written_details)
    extra: Json = {}
    if tools:
        extra["tool_use_prompt_tokens"] = tools
    for theirs, ours in (("trafficType", "traffic_type"), ("serviceTier", "service_tier")):
        if isinstance(raw.get(theirs), str):
            extra[ours] = raw[theirs]
    return Usage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=total or read + written,
        input_details=read_details,
        output_details=written_details,
        extra=extra or None,
    )


def _modality(rows: object, details: Json) -> None:
    for row in rows if isinstance(rows, list) else ():
        if not isinstance(row, dict):
            continue
        word = word_of(row.get("modality"), _MODALITIES)
        if word and word != "TEXT":
            name = f"{word.lower()[:40]}_tokens"
            details[name] = details.get(name, 0) + _count(row, "tokenCount")


def _count(raw: Json, name: str) -> int:
    value = raw.get(name)
    if type(value) is float and 0 <= value <= MAX_COUNT:
        return int(value)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else 0
