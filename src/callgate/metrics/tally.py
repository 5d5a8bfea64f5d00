"""Counting records: counters and histograms by model, provider and outcome. No I/O."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from callgate.core.entry import Entry, EntryUsage, Kind
from callgate.core.pricing import count_of
from callgate.core.record import BUDGET_LOW, COUNTED_ALONE
from callgate.metrics.families import FAMILIES

_MAX_SERIES = 2000
_OTHER = "other"
_LIMITED = frozenset({"rate_limited", "budget_exhausted"})
Labels = tuple[str, ...]


class Series(Struct, array_like=True):
    """One line of a family. Of a histogram, `buckets` count what is at most each bound, alone."""

    labels: Labels
    value: float = 0.0
    buckets: list[int] = []


Snapshot = dict[str, list[Series]]
"""Series by the family's name."""


class Tally:
    """Counts records. `since` is the Unix second at which it began.

    The label sets of a family are bounded: beyond the bound, what is new counts as `other`.
    """

    def __init__(self, since: float) -> None:
        self._since = since
        self._series: Mapping[str, dict[Labels, Series]] = {name: {} for name in FAMILIES}

    def observe(self, entries: Iterable[Entry]) -> None:
        """Count these records."""
        kinds: dict[Kind, list[Entry]] = {}
        for entry in entries:
            try:
                kinds[entry.kind].append(entry)
            except KeyError:
                kinds[entry.kind] = [entry]
        tried: dict[Labels, list[Entry]] = {}
        for kind, alike in kinds.items():
            self._count(kind, alike)
            if kind.attempts:
                served = (kind.model_served or "", kind.provider or "")
                tried.setdefault(served, []).extend(alike)
        for target, those in tried.items():
            self._count_tried(target, those)

    def snapshot(self) -> Snapshot:
        """All series as they stand."""
        counted = {name: list(series.values()) for name, series in self._series.items() if series}
        return {**counted, "callgate_counted_since_seconds": [Series((), self._since)]}

    def _count(self, kind: Kind, entries: list[Entry]) -> None:
        """Count records of a kind."""
        model, error, times = kind.model or "", kind.error, len(entries)
        streamed = "true" if kind.stream else "false"
        answered = (kind.model_served or kind.model_known or "", kind.provider or "")
        self._add("callgate_requests", (*answered, str(kind.status), error or "", streamed), times)
        if error in _LIMITED:
            # A limit is of a model that is served, so this name is none that a stranger made up.
            self._add("callgate_limit_decisions", (model, error), times)
        elif kind.attempts:
            admitted = kind.attempts[0].model
            self._add("callgate_limit_decisions", (admitted, "admitted"), times)
        for attempt in kind.attempts:
            outcome = attempt.error or "done"
            tried = (attempt.model, attempt.provider, attempt.deployment, outcome)
            self._add("callgate_attempts", tried, times)
        for entry in entries:
            if entry.notes:
                self._count_notes(model, entry.notes)

    def _count_notes(self, model: str, notes: Sequence[str]) -> None:
        # The limits come after the model's name has been found to be one that is served.
        for note in notes:
            if note == COUNTED_ALONE:
                self._add("callgate_limits_counted_alone", (model,))
            elif note.startswith(BUDGET_LOW):
                scope = note.removeprefix(BUDGET_LOW).partition(" ")[0]
                self._add("callgate_budget_warnings", (model, scope))

    def _count_tried(self, target: Labels, entries: list[Entry]) -> None:
        """Count what records of one target that have attempts took."""
        used = [entry.usage for entry in entries if entry.usage is not None]
        if used:
            self._count_tokens(target, used)
        if cost := sum([entry.cost_usd for entry in entries if entry.cost_usd]):
            self._add("callgate_cost_usd", target, cost)
        self._spread("callgate_request_seconds", target, [entry.total_us for entry in entries])
        self._spread("callgate_upstream_seconds", target, [entry.upstream_us for entry in entries])
        self._spread("callgate_gateway_seconds", target, [entry.gateway_us for entry in entries])
        first = [entry.first_token_us for entry in entries if entry.first_token_us is not None]
        if first:
            self._spread("callgate_first_token_seconds", target, first)

    def _count_tokens(self, target: Labels, used: list[EntryUsage]) -> None:
        inputs = [usage.input_details for usage in used if usage.input_details is not None]
        outputs = [usage.output_details for usage in used if usage.output_details is not None]
        whole = {
            "input": [usage.input_tokens for usage in used],
            "output": [usage.output_tokens for usage in used],
        }
        for kind, counts in whole.items():
            self._add("callgate_tokens", (*target, kind), count_of(sum(counts)))
        parts = {
            "cached": [details.cached_tokens for details in inputs],
            "cache_write": [details.cache_write_tokens for details in inputs],
            "reasoning": [details.reasoning_tokens for details in outputs],
        }
        for kind, reported in parts.items():
            if tokens := sum(map(count_of, filter(None, reported))):
                self._add("callgate_tokens", (*target, kind), tokens)

    def _add(self, family: str, labels: Labels, amount: float = 1.0) -> None:
        self._of(family, labels).value += amount

    def _spread(self, family: str, labels: Labels, microseconds: list[int]) -> None:
        series = self._of(family, labels)
        bounds = FAMILIES[family].bounds
        if not series.buckets:
            series.buckets = [0] * (len(bounds) + 1)
        series.value += sum(microseconds) / 1e6
        # Once a bound, not once a record: they come by the hundred.
        microseconds.sort()
        below = 0
        for bucket, bound in enumerate(bounds):
            end = bisect_right(microseconds, round(bound * 1e6), below)
            series.buckets[bucket] += end - below
            below = end
        series.buckets[-1] += len(microseconds) - below

    def _of(self, family: str, labels: Labels) -> Series:
        known = self._series[family]
        found = known.get(labels)
        if found is None:
            if len(known) >= _MAX_SERIES:
                labels = (_OTHER,) * len(labels)
            found = known.setdefault(labels, Series(labels))
        return found
