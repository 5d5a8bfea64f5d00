"""A record as it is booked: what lists, totals and metrics need of it, apart from all the rest.

In the journal two members stand before those of the record, and a tab behind each:

    {"entry":[…],<tab>"kind":[…],<tab>"request_id":…

They are arrays of the fields of `Entry` and `Kind`, in the order in which these stand here and
nowhere else. `core.heading` writes them, and `core.entries` cuts them off, reads them and leaves
the record as it is: to decode it costs more than to store it. A new field goes behind the others
and has a default, so that lines from before it are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct


class Counts(Struct, array_like=True, kw_only=True, gc=False):
    """Of `core.chat.Usage`; each from 0 to 2^40, whatever the provider has reported."""

    input_tokens: int
    output_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    reasoning_tokens: int
    estimated: bool


class Outcome(Struct, array_like=True, gc=False):
    """Of `core.record.Attempt`."""

    model: str
    provider: str
    deployment: str
    error: str | None


class Kind(Struct, array_like=True, eq=False, gc=False):
    """What metrics tell records by, the same object for all that are alike and read together."""

    status: int
    model: str | None
    model_served: str | None
    provider: str | None
    stream: bool
    error: str | None
    attempts: tuple[Outcome, ...]

    @property
    def model_known(self) -> str | None:
        """The model that was asked for, where there is one of that name: any other is the caller's
        own word, and must not fill tables.
        """
        known = self.model_served or self.status == 429 or self.status >= 500
        return self.model if known else None


class Entry(Struct, array_like=True, gc=False):
    """What is each record's own. `kind` and `body`, the record's JSON, are not in the array."""

    request_id: str
    time: int
    account: str | None
    key_id: str | None
    cost_usd: float | None
    total_us: int
    upstream_us: int
    first_token_us: int | None
    gateway_us: int
    notes: Sequence[str]
    usage: Counts | None
    kind: Any = None
    body: bytes = b""
