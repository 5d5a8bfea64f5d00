"""What was going on around a call: how its model fared, open circuits, what was left of a quota."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from callgate.core.record import LEFT_ALONE, Record
from callgate.store.base import Query, Tally
from callgate.support.story import Fact

HALF_SPAN_MS = 150_000
"""The five minutes around a call are so much before it and so much after, in milliseconds."""

_NAMED = 5


def neighbours(record: Record, account: str | None = None) -> Query:
    """The calls of the five minutes around this one: of its model, where it came to name one, and
    of one account alone where that is given.
    """
    return Query(
        account=account,
        model=record.model,
        since=max(record.time - HALF_SPAN_MS, 0),
        until=record.time + HALF_SPAN_MS,
    )


def around(record: Record, tallies: Sequence[Tally]) -> list[Fact]:
    """What the neighbours' tallies and the record's own state of things say."""
    return [*_neighbourhood(record, tallies), *_circuits(record), *_quota(record)]


def _neighbourhood(record: Record, tallies: Sequence[Tally]) -> Iterator[Fact]:
    calls = sum(one.calls for one in tallies)
    if not calls:
        return
    errors: Counter[str] = Counter()
    for one in tallies:
        if one.error is not None or one.status >= 400:
            errors[one.error or str(one.status)] += one.calls
    failed = errors.total()
    of = f" for {record.model}" if record.model else ""
    share = f" ({failed / calls:.0%})" if failed else ""
    yield Fact("in five minutes", f"{failed} of {calls} call{'s' * (calls > 1)}{of} failed{share}")
    if failed:
        common = sorted(errors.items(), key=lambda one: (-one[1], one[0]))[:_NAMED]
        told = [f"{count} {error}" for error, count in common]
        rest = failed - sum(count for _, count in common)
        yield Fact("of these", ", ".join([*told, f"{rest} others"] if rest else told))
    if errors["circuit_open"]:
        yield Fact("turned away", f"{errors['circuit_open']} by an open circuit")


def _circuits(record: Record) -> Iterator[Fact]:
    """What the engine has noted of the deployments that it did not ask."""
    out = [note.removeprefix(LEFT_ALONE) for note in record.notes if note.startswith(LEFT_ALONE)]
    if out:
        yield Fact("left alone", ", ".join(out))
    elif record.error is not None and record.attempts:
        yield Fact("circuit", "closed when the request came")


def _quota(record: Record) -> Iterator[Fact]:
    if record.quota_limit is None or record.quota_left is None:
        return
    text = f"{record.quota_left} of {record.quota_limit} requests left for {record.quota_model}"
    if record.quota_until is not None:
        seconds = max(0, record.quota_until - record.time) / 1000
        text += f", the window ended {seconds:.0f} s later"
    yield Fact("quota", text)
