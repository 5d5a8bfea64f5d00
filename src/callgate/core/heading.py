"""What stands before a record in the journal; see `core.entry`."""

from __future__ import annotations

from operator import attrgetter
from typing import Any, Final

import msgspec

from callgate.core.chat import Usage
from callgate.core.entry import Counts, Entry, Kind, Outcome
from callgate.core.record import Record

_ENCODER: Final = msgspec.json.Encoder()
ENTRY: Final = b'{"entry":'
KIND: Final = b'"kind":'

MOST_TOKENS: Final = 2**40
"""More than any request can use, and little enough for a sum of millions of mistakes."""


def _until(fields: tuple[str, ...], last: str) -> Any:
    """What gives a tuple of the fields that stand before this one."""
    return attrgetter(*fields[: fields.index(last)])


_ENTRY: Final = _until(Entry.__struct_fields__, "usage")
_KIND: Final = _until(Kind.__struct_fields__, "attempts")
_OUTCOME: Final = attrgetter(*Outcome.__struct_fields__)


def headed(record: Record, body: bytes) -> bytes:
    """The record's JSON, with its `Entry` and `Kind` before all else in it."""
    usage = record.usage
    entry = [*_ENTRY(record), None if usage is None else _counts(usage)]
    kind = [*_KIND(record), [_OUTCOME(attempt) for attempt in record.attempts]]
    return b"".join(
        (
            ENTRY, _ENCODER.encode(entry), b",\t", KIND, _ENCODER.encode(kind), b",\t", body[1:],
        )
    )  # fmt: skip


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), MOST_TOKENS)


def _counts(usage: Usage) -> Counts:
    inputs, outputs = usage.input_details or {}, usage.output_details or {}
    return Counts(
        input_tokens=_count(usage.input_tokens),
        output_tokens=_count(usage.output_tokens),
        cached_tokens=_count(inputs.get("cached_tokens")),
        cache_write_tokens=_count(inputs.get("cache_write_tokens")),
        reasoning_tokens=_count(outputs.get("reasoning_tokens")),
        estimated=usage.estimated,
    )
