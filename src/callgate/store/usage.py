"""Totals of each day: how records add up to them, and how they are asked for.

They are kept as the records come in, in the same transaction, and not summed up when asked for: a
month of a busy gateway is a billion records and some thousand totals. Hence they also outlive the
records' retention.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Insert, func, select

from callgate.core.entry import Entry, Kind
from callgate.store.base import USAGE_COUNTS, USAGE_DIMENSIONS, Usage, UsageQuery
from callgate.store.tables import usage

if TYPE_CHECKING:
    # For types only: importing the dialect that is not used would take a sixth of the start.
    from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
    from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()
_KEY = ("day", *USAGE_DIMENSIONS)
_SUMS = (*USAGE_COUNTS, "cost_usd")
COLUMNS = (*_KEY, *_SUMS)
"""Those of `usage`, in its order."""
# More than any request can use, and little enough for a sum of millions of mistakes.
_MOST_TOKENS = 2**40


Total = tuple[Any, ...]
"""A row of `usage`, its values in the order of `COLUMNS`, the day first."""
_Group = tuple[int, str | None, str | None, str | None, str | None, str | None]


def totals_of(entries: Iterable[Entry]) -> list[Total]:
    """What these records add to the totals, in the order of its key."""
    callers: dict[tuple[Kind, str | None, str | None], list[Entry]] = {}
    for entry in entries:
        caller = (entry.kind, entry.account, entry.key_id)
        try:
            callers[caller].append(entry)
        except KeyError:
            callers[caller] = [entry]
    groups: dict[_Group, list[Entry]] = {}
    for (kind, account, key_id), alike in callers.items():
        for day, those in _by_day(alike):
            group = (day, account, key_id, kind.model_known, kind.model_served, kind.provider)
            known = groups.get(group)
            if known is None:
                groups[group] = those
            else:
                known += those
    rows = [(tuple(one or "" for one in group[1:]), group[0], groups[group]) for group in groups]
    rows.sort(key=itemgetter(0, 1))
    return [_row(day, words, _sums(alike)) for words, day, alike in rows]


def _by_day(entries: list[Entry]) -> Iterable[tuple[int, list[Entry]]]:
    times = [entry.time for entry in entries]
    first, last = min(times) // _DAY_MS, max(times) // _DAY_MS
    if first == last:
        return [(first, entries)]
    days: dict[int, list[Entry]] = {}
    for entry in entries:
        days.setdefault(entry.time // _DAY_MS, []).append(entry)
    return days.items()


def _sums(entries: list[Entry]) -> list[float]:
    """The records of a group added up: the values of `_SUMS`.

    In one pass, since most groups are of few records where many keys are in use.
    """
    errors = unpriced = estimated = 0
    taken = cached = written = given = reasoned = 0
    spent = 0.0
    for entry in entries:
        if entry.status >= 400 or entry.error is not None:
            errors += 1
        used = entry.usage
        if used is None:
            continue
        cost = entry.cost_usd
        if cost is None:
            unpriced += 1
        else:
            spent += cost
        if used.estimated:
            estimated += 1
        taken += _count(used.input_tokens)
        given += _count(used.output_tokens)
        details = used.input_details
        if details is not None:
            if details.cached_tokens:
                cached += _count(details.cached_tokens)
            if details.cache_write_tokens:
                written += _count(details.cache_write_tokens)
        details = used.output_details
        if details is not None and details.reasoning_tokens:
            reasoned += _count(details.reasoning_tokens)
    return [
        len(entries), errors, unpriced, estimated, taken, cached, written, given, reasoned, spent,
    ]  # fmt: skip


def _row(day: int, words: tuple[str, ...], sums: list[float]) -> Total:
    told = date.fromordinal(min(max(_EPOCH + day, 1), date.max.toordinal()))
    storable = [word.replace("\0", "\ufffd") for word in words]
    return (told, *storable, *sums)


def _count(value: object) -> int:
    """What a provider tells of a request, which may be anything, as far as it makes sense."""
    if isinstance(value, int) and 0 <= value <= _MOST_TOKENS:
        return value
    return _MOST_TOKENS if isinstance(value, int) and value > 0 else 0


def adding(insert: PostgresInsert | SqliteInsert) -> Insert:
    """The statement that adds a row of `totals_of` to what is there."""
    sums = {name: usage.c[name] + insert.excluded[name] for name in _SUMS}
    return insert.on_conflict_do_update(index_elements=list(_KEY), set_=sums)


def usage_of(connection: Connection, query: UsageQuery) -> Sequence[Usage]:
    """The totals that a query asks for."""
    group = [usage.c[name] for name in query.by]
    wanted = [usage.c[name] == value for name, value in query.equal.items()]
    if query.since is not None:
        wanted.append(usage.c.day >= query.since)
    if query.until is not None:
        wanted.append(usage.c.day <= query.until)
    sums = [func.sum(usage.c[name]) for name in _SUMS]
    rows = connection.execute(
        select(*group, *sums).where(*wanted).group_by(*group).order_by(*group)
    ).all()
    found = []
    for row in rows:
        *counts, cost = row[len(group) :]
        if counts[0] is None:
            continue  # the sum of nothing
        numbers: dict[str, Any] = dict(zip(USAGE_COUNTS, map(int, counts), strict=True))
        labels = dict(zip(query.by, row, strict=False))
        found.append(Usage(**labels, **numbers, cost_usd=float(cost)))
    return found
