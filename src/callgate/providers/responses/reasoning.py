"""What of an answer has to come back with the next request, as entries of `reasoning_details`.

https://developers.openai.com/api/docs/guides/reasoning has reasoning items sent back, encrypted, so
that the model goes on from its own thoughts after a function's result; and
https://developers.openai.com/api/reference/resources/responses/methods/create the `phase` of each
message. Both stand in the entries with where in the answer they were::

    {"type": "reasoning", "encrypted_content": "…", "summary": […], "provider": "openai"}
    {"type": "message", "phase": "commentary", "after_text": 12, "after_tools": 1}

`after_text` counts characters of the message's content, `after_tools` its tool calls; both are left
out where 0. Only the account that encrypted a thought can read it ("The encrypted content could not
be verified" is a 400), so the others' stay out. Without `store` an item has no use for its id, and
Azure refuses one: https://github.com/vercel/ai/pull/12689.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from callgate.core.chat import Json

PHASES = ("commentary", "final_answer")


class Mark(NamedTuple):
    """A thought, or the beginning of a message where `thought` is None, and its place."""

    thought: Json | None
    phase: str | None
    after_text: int
    after_tools: int


def thought_detail(item: Json, provider: str, after_text: int, after_tools: int) -> Json | None:
    """The entry of a reasoning item; None where there is nothing to send back."""
    data = item.get("encrypted_content")
    if not isinstance(data, str) or not data:
        return None
    detail = {
        "type": "reasoning",
        "encrypted_content": data,
        "summary": _summary(item.get("summary")),
        "provider": provider,
    }
    return _placed(detail, after_text, after_tools)


def message_detail(phase: object, after_text: int, after_tools: int) -> Json | None:
    """The entry of a message; None where the content alone tells as much."""
    if phase in PHASES:
        return _placed({"type": "message", "phase": phase}, after_text, after_tools)
    if after_text or after_tools:
        return _placed({"type": "message"}, after_text, after_tools)
    return None


def marks_of(details: Iterable[Json], provider: str) -> list[Mark]:
    """What these entries hold that this provider understands."""
    marks = []
    for detail in details:
        place = _place(detail, "after_text"), _place(detail, "after_tools")
        if detail.get("type") == "message":
            phase = detail.get("phase")
            marks.append(Mark(None, phase if phase in PHASES else None, *place))
        elif detail.get("type") == "reasoning" and detail.get("provider") == provider:
            data = detail.get("encrypted_content")
            if isinstance(data, str) and data:
                summary = _summary(detail.get("summary"))
                thought = {"type": "reasoning", "summary": summary, "encrypted_content": data}
                marks.append(Mark(thought, None, *place))
    return marks


def _summary(given: object) -> list[Json]:
    return [
        {"type": "summary_text", "text": part["text"]}
        for part in (given if isinstance(given, list) else ())
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    ]


def _placed(detail: Json, after_text: int, after_tools: int) -> Json:
    if after_text:
        detail["after_text"] = after_text
    if after_tools:
        detail["after_tools"] = after_tools
    return detail


def _place(detail: Json, name: str) -> int:
    value = detail.get(name)
    return value if type(value) is int and value > 0 else 0
