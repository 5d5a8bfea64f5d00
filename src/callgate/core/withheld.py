"""What is left of a record where nothing of what was said may be kept."""

from __future__ import annotations

from typing import Any

import msgspec

from callgate.core.record import Attempt, Record

_SPOKEN = frozenset(
    {"model", "type", "role", "reasoning_effort", "tool_choice", "format", "name", "service_tier",
     "verbosity", "mid_stream"}
)  # fmt: skip
"""Fields of parameters whose strings are no text of anybody's."""
_REFUSED = 400


def without_text(value: Any, field: str = "") -> Any:
    """A value whose strings, but for those that name things, are told by their length alone."""
    if isinstance(value, str):
        return value if field in _SPOKEN else _length(value)
    if isinstance(value, dict):
        return {name: without_text(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [without_text(one, field) for one in value]
    return value


def withhold(record: Record) -> None:
    """Take the caller's texts out of a record, and whatever a provider may have repeated of them.

    The hash of the prompt goes too: a short one could be guessed by it.
    """
    record.prompt_sha256 = None
    if record.parameters is not None:
        record.parameters = {
            name: msgspec.Raw(msgspec.json.encode(without_text(msgspec.json.decode(raw), name)))
            for name, raw in record.parameters.items()
        }
    if record.attempts or record.status == _REFUSED:
        record.message, record.detail = _told(record.message), _told(record.detail)
        if record.errors:
            record.errors = [_length(one) for one in record.errors]
    record.attempts = [_withheld(one) for one in record.attempts]


def _withheld(attempt: Attempt) -> Attempt:
    return msgspec.structs.replace(
        attempt, message=_told(attempt.message), body=_told(attempt.body)
    )


def _told(text: str | None) -> str | None:
    return text and _length(text)


def _length(text: str) -> str:
    return f"<{len(text)} characters>"
