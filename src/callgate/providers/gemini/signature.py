"""Thought signatures in OpenAI's messages, out and back again.

https://ai.google.dev/gemini-api/docs/thought-signatures: a signature has to come back on the part
that bore it. That of a call stands where Google's own compatible endpoint puts it, in
`tool_calls[].extra_content.google.thought_signature`. That of a text or a thought stands in
`reasoning_details`, with the characters of the message's content that the part was::

    {"type": "reasoning.encrypted", "format": "google-gemini-v1", "data": "…", "start": 0, "end": 9}
    {"type": "reasoning.text", "format": "google-gemini-v1", "text": "…", "signature": "…"}

OpenRouter's entries of that format, which name a call by its `id`, are understood too. The
signatures of other models mean nothing to Gemini and stay out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callgate.core.chat import Json

FORMAT = "google-gemini-v1"

SKIPPED = "skip_thought_signature_validator"
"""Google's word for a call that another model made, which has no signature."""


def of_text(signature: str, start: int, end: int) -> Json:
    """The entry for a signed part of the text."""
    return {
        "type": "reasoning.encrypted",
        "format": FORMAT,
        "data": signature,
        "start": start,
        "end": end,
    }


def of_thought(signature: str, text: str) -> Json:
    """The entry for a signed thought."""
    return {"type": "reasoning.text", "format": FORMAT, "text": text, "signature": signature}


def of_call(signature: str) -> Json:
    """The `extra_content` of a signed call."""
    return {"google": {"thought_signature": signature}}


def on_call(extra_content: Json | None) -> str:
    """The signature in a call's `extra_content`, empty where there is none."""
    google = (extra_content or {}).get("google")
    return _string(google, "thought_signature") if isinstance(google, dict) else ""


def restore(text: str, details: Iterable[Json]) -> tuple[list[Json], list[Json], Mapping[str, str]]:
    """Thoughts and pieces of text as parts, and the signatures of calls by the calls' ids.

    Where the text is no longer what it was, its signatures come back on empty parts behind it.
    """
    thoughts: list[Json] = []
    marks: list[tuple[int, int, str]] = []
    calls: dict[str, str] = {}
    size = len(text)
    for detail in details:
        if detail.get("format") != FORMAT:
            continue
        data = _string(detail, "data")
        if detail.get("type") == "reasoning.text" and _string(detail, "text"):
            thought: Json = {"text": detail["text"], "thought": True}
            if _string(detail, "signature"):
                thought["thoughtSignature"] = detail["signature"]
            thoughts.append(thought)
        elif data and "start" not in detail and _string(detail, "id"):
            calls[detail["id"]] = data
        elif data:
            start, end = _offset(detail, "start", size), _offset(detail, "end", size)
            marks.append((start, end, data) if start <= end <= size else (size, size, data))
    return thoughts, _pieces(text, marks), calls


def _pieces(text: str, marks: list[tuple[int, int, str]]) -> list[Json]:
    pieces: list[Json] = []
    at = 0
    for start, end, data in sorted(marks, key=lambda mark: mark[:2]):
        begin = max(start, at)
        if begin > at:
            pieces.append({"text": text[at:begin]})
        at = max(end, begin)
        pieces.append({"text": text[begin:at], "thoughtSignature": data})
    if at < len(text):
        pieces.append({"text": text[at:]})
    return pieces


def _offset(detail: Json, name: str, size: int) -> int:
    value = detail.get(name)
    return value if type(value) is int and 0 <= value <= size else size + 1


def _string(given: Any, name: str) -> str:
    value = given.get(name)
    return value if isinstance(value, str) else ""
