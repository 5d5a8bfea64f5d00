"""Counting records: counters and histograms by model, provider and outcome. No I/O."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping

import msgspec
from msgspec import Struct

from callgate.core.chat import Usage
from callgate.core.pricing import count_of
from callgate.core.record import BUDGET_LOW, COUNTED_ALONE
from callgate.metrics.families import FAMILIES

_MAX_SERIES = 2000
_OTHER = "other"
_LIMITED = frozenset({"rate_limited", "budget_exhausted"})
_DETAILS = (
    ("input_details", "cached_tokens", "cached"),
    ("input_details", "cache_write_tokens", "cache_write"),
    ("output_details", "reasoning_tokens", "reasoning"),
)

Labels = tuple[str, ...]


class _Attempt(Struct):
    model: str
    provider: str
    deployment: str
    error: str = "done"


class _Seen(Struct):
    """What is counted of a record."""

    status: int
    stream: bool = False
    error: str = ""
    model: str = ""
    model_served: str = ""
    provider: str = ""
    usage: Usage | None = None
    cost_usd: float | None = None
    total_us: int = 0
    upstream_us: int = 0
    first_token_us: int | None = None
    gateway_us: int = 0
    attempts: list[_Attempt] = []
    notes: list[str] = []


class Series(Struct, array_like=True):
    """One line of a family. Of a histogram, `buckets` count what is at most each bound, alone."""

    labels: Labels
    value: float = 0.0
    buckets: list[int] = []


Snapshot = dict[str, list[Series]]
"""Series by the family's name."""

_decode = msgspec.json.Decoder(_Seen).decode


class Tally:
    """Counts records, given as their JSON. `since` is the Unix second at which it began.

    The label sets of a family are bounded: beyond the bound, what is new counts as `other`.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._series: Mapping[str, dict[Labels, Series]] = {name: {} for name in FAMILIES}

    def observe(self, records: Iterable[bytes]) -> None:
        """Count these records; what is no record is passed over."""
        for record in records:
            try:
                seen = _decode(record)
            except msgspec.MsgspecError:
                continue
            self._count(seen)

    def snapshot(self) -> Snapshot:
        """All series as they stand."""
        counted = {name: list(series.values()) for name, series in self._series.items() if series}
        return {**counted, "callgate_counted_since_seconds": [Series((), self._since)]}

    def _count(self, seen: _Seen) -> None:
        model, provider = seen.model_served, seen.provider
        self._add(
            "callgate_requests",
            (model, provider, str(seen.status), seen.error, "true" if seen.stream else "false"),
        )
        for attempt in seen.attempts:
            self._add(
                "callgate_attempts",
                (attempt.model, attempt.provider, attempt.deployment, attempt.error),
            )
        if seen.error in _LIMITED:
            # A limit is of a model that is served, so this name is none that a stranger made up.
            self._add("callgate_limit_decisions", (seen.model, seen.error))
        elif seen.attempts:
            self._add("callgate_limit_decisions", (seen.attempts[0].model, "admitted"))
        if seen.notes:
            self._count_notes(seen)
        if not seen.attempts:
            return
        target = (model, provider)
        if seen.usage is not None:
            self._count_tokens(target, seen.usage)
        if seen.cost_usd:
            self._add("callgate_cost_usd", target, seen.cost_usd)
        self._spread("callgate_request_seconds", target, seen.total_us)
        self._spread("callgate_upstream_seconds", target, seen.upstream_us)
        self._spread("callgate_gateway_seconds", target, seen.gateway_us)
        if seen.first_token_us is not None:
            self._spread("callgate_first_token_seconds", target, seen.first_token_us)

    def _count_notes(self, seen: _Seen) -> None:
        # The limits come after the model's name has been found to be one that is served.
        for note in seen.notes:
            if note == COUNTED_ALONE:
                self._add("callgate_limits_counted_alone", (seen.model,))
            elif note.startswith(BUDGET_LOW):
                scope = note.removeprefix(BUDGET_LOW).partition(" ")[0]
                self._add("callgate_budget_warnings", (seen.model, scope))

    def _count_tokens(self, target: Labels, usage: Usage) -> None:
        self._add("callgate_tokens", (*target, "input"), usage.input_tokens)
        self._add("callgate_tokens", (*target, "output"), usage.output_tokens)
        for details, name, kind in _DETAILS:
            count = count_of((getattr(usage, details) or {}).get(name))
            if count:
                self._add("callgate_tokens", (*target, kind), count)

    def _add(self, family: str, labels: Labels, amount: float = 1.0) -> None:
        self._of(family, labels).value += amount

    def _spread(self, family: str, labels: Labels, microseconds: int) -> None:
        series = self._of(family, labels)
        bounds = FAMILIES[family].bounds
        if not series.buckets:
            series.buckets = [0] * (len(bounds) + 1)
        seconds = microseconds / 1e6
        series.value += seconds
        series.buckets[bisect_left(bounds, seconds)] += 1

    def _of(self, family: str, labels: Labels) -> Series:
        known = self._series[family]
        found = known.get(labels)
        if found is None:
            if len(known) >= _MAX_SERIES:
                labels = (_OTHER,) * len(labels)
            found = known.setdefault(labels, Series(labels))
        return found
