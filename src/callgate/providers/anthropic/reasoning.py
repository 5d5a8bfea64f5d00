"""Claude's thoughts in OpenAI's messages, out and back again.

https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking#preserving-thinking-blocks:
the blocks have to come back unchanged, in order and at their places. `reasoning_details` holds
each as it was, and where in the answer it stood::

    {"type": "thinking", "thinking": "…", "signature": "…", "after_text": 12, "after_tools": 1}
    {"type": "redacted_thinking", "data": "…"}

`after_text` counts characters of the message's content, `after_tools` its tool calls; both are left
out where 0. OpenRouter's names for the same (`reasoning.text`, `reasoning.encrypted`, of the format
`anthropic-claude-v1`) are understood too. Thoughts without Claude's signature are another model's:
Claude takes none of those, so they stay out; models of other makers (DeepSeek, Kimi) do not sign
theirs, and get them back with an empty signature.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from callgate.core.chat import Json

THOUGHTS = ("thinking", "redacted_thinking")
"""The types of the blocks."""

_OPENROUTER = "anthropic-claude-v1"


class Thought(NamedTuple):
    """A block, and how much of the answer came before it."""

    block: Json
    after_text: int
    after_tools: int


def detail_of(block: Json, after_text: int, after_tools: int) -> Json | None:
    """The entry of `reasoning_details` for a block; None for a block of another type or shape.

    Other makers' models that speak this dialect (DeepSeek, Kimi) do not sign their thoughts.
    """
    if block.get("signature") is None:
        block = {**block, "signature": ""}
    detail = _block(block.get("type"), block)
    if detail is None:
        return None
    if after_text:
        detail["after_text"] = after_text
    if after_tools:
        detail["after_tools"] = after_tools
    return detail


def thoughts_of(details: Iterable[Json]) -> list[Thought]:
    """The blocks that these entries of `reasoning_details` hold."""
    thoughts = []
    for detail in details:
        kind = detail.get("type")
        if detail.get("format") == _OPENROUTER:
            kind = {"reasoning.text": "thinking", "reasoning.encrypted": "redacted_thinking"}.get(
                str(kind)
            )
            detail = {**detail, "thinking": detail.get("text") or ""}  # noqa: PLW2901
        block = _block(kind, detail)
        if block is not None:
            thoughts.append(
                Thought(block, _place(detail, "after_text"), _place(detail, "after_tools"))
            )
    return thoughts


def _block(kind: object, given: Json) -> Json | None:
    if kind == "thinking":
        thinking, signature = given.get("thinking"), given.get("signature")
        if isinstance(thinking, str) and isinstance(signature, str):
            return {"type": kind, "thinking": thinking, "signature": signature}
    elif kind == "redacted_thinking" and isinstance(data := given.get("data"), str):
        return {"type": kind, "data": data}
    return None


def _place(detail: Json, name: str) -> int:
    value = detail.get(name)
    return value if type(value) is int and value > 0 else 0
