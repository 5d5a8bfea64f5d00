"""A record as it is shipped: its JSON, and the parts that lists, totals and metrics need.

It is decoded once for all of them, and as little of it as they need: to decode a whole record costs
more than to store it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from callgate.core.record import MARK


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


class EntryAttempt(Struct, frozen=True, gc=False):
    """Of `core.record.Attempt`."""

    model: str
    provider: str
    deployment: str = ""
    error: str | None = None


class Kind:
    """What metrics tell records by, the same object for all that are alike and read together.

    So they are told apart once, by what their words are, and from then on by the object.
    `model_known` is the model that was asked for, where there is one of that name: any other is the
    caller's own word, and must not fill tables.
    """

    __slots__ = (
        "attempts", "error", "model", "model_known", "model_served", "provider", "status", "stream",
    )  # fmt: skip

    def __init__(self, entry: Entry) -> None:
        self.model = entry.model
        self.model_served = entry.model_served
        self.provider = entry.provider
        self.status = entry.status
        self.stream = entry.stream
        self.error = entry.error
        self.attempts = entry.attempts
        known = entry.model_served or entry.status == 429 or entry.status >= 500
        self.model_known = entry.model if known else None


class Entry(Struct, gc=False):
    """Of `core.record.Record`; the fields stand in its order, in which they are found fastest.

    `body` is the record's JSON, whole; `kind` a `Kind`.
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
    attempts: tuple[EntryAttempt, ...] = ()
    notes: Sequence[str] = ()
    body: bytes = b""
    kind: Any = None


_decode = msgspec.json.Decoder(Entry).decode


def _read(record: bytes) -> Entry:
    end = record.find(MARK)
    if end > 0:
        try:
            return _decode(record[:end] + b"}")
        except ValueError:
            pass  # of an earlier version, which wrote no mark, or damaged
    return _decode(record)


def entries_of(records: Iterable[bytes]) -> tuple[list[Entry], list[bytes]]:
    """The entries of these records, and those that are no records."""
    entries, refused = [], []
    kinds: dict[tuple[object, ...], Kind] = {}
    before: tuple[object, ...] = ()
    kind: Kind | None = None
    for record in records:
        try:
            entry = _read(record)
        except ValueError:  # as msgspec's errors are
            refused.append(record)
            continue
        entry.body = record
        words = (
            entry.model, entry.model_served, entry.provider, entry.status, entry.stream,
            entry.error, entry.attempts,
        )  # fmt: skip
        if words != before:  # most are like the one before, and to hash them costs more
            before, kind = words, kinds.get(words)
            if kind is None:
                kinds[words] = kind = Kind(entry)
        entry.kind = kind
        entries.append(entry)
    return entries, refused
