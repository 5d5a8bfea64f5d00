"""A record as it is booked: its JSON, and of it what lists, totals and metrics need.

It is decoded once for all of them, and as little of it as they need: to decode a whole record costs
more than to store it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct


class UsageDetails(Struct, gc=False):
    """Parts of a count, as the provider reports them, which may be anything."""

    cached_tokens: Any = 0
    cache_write_tokens: Any = 0
    reasoning_tokens: Any = 0


class EntryUsage(Struct, gc=False):
    """Of `core.chat.Usage`."""

    input_tokens: int = 0
    output_tokens: int = 0
    input_details: UsageDetails | None = None
    output_details: UsageDetails | None = None
    estimated: bool = False


class EntryAttempt(Struct, gc=False):
    """Of `core.record.Attempt`."""

    model: str
    provider: str
    deployment: str = ""
    error: str | None = None


class Entry(Struct, gc=False):
    """Of `core.record.Record`; the fields stand in its order, in which they are found fastest.

    `body` is the record's JSON, whole.
    """

    request_id: str
    time: int
    status: int
    account: str | None = None
    key_id: str | None = None
    model: str | None = None
    model_served: str | None = None
    provider: str | None = None
    stream: bool = False
    error: str | None = None
    usage: EntryUsage | None = None
    cost_usd: float | None = None
    total_us: int = 0
    upstream_us: int = 0
    first_token_us: int | None = None
    gateway_us: int = 0
    attempts: list[EntryAttempt] = []
    notes: Sequence[str] = ()
    body: bytes = b""


_decode = msgspec.json.Decoder(Entry).decode


def entry_of(record: bytes) -> Entry:
    """The entry of a record, given as its JSON. Raises ValueError where it is no record."""
    entry = _decode(record)  # msgspec's errors are ValueErrors
    entry.body = record
    return entry


def entries_of(records: Iterable[bytes]) -> tuple[list[Entry], list[bytes]]:
    """The entries of these records, and those that are no records."""
    entries, refused = [], []
    for record in records:
        try:
            entries.append(entry_of(record))
        except ValueError:
            refused.append(record)
    return entries, refused
