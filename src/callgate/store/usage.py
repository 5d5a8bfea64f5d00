"""Totals of each day: how records add up to them, and how they are asked for.

They are kept as the records come in, in the same transaction, and not summed up when asked for: a
month of a busy gateway is a billion records and some thousand totals. Hence they also outlive the
records' retention.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from msgspec import Struct
from sqlalchemy import Connection, Insert, func, select
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert

from callgate.store.base import USAGE_COUNTS, USAGE_DIMENSIONS, Usage, UsageQuery
from callgate.store.tables import usage

_DAY_MS = 86_400_000
_EPOCH = date(1970, 1, 1).toordinal()
_KEY = ("day", *USAGE_DIMENSIONS)
_SUMS = (*USAGE_COUNTS, "cost_usd")
# More than any request can use, and little enough for a sum of millions of mistakes.
_MOST_TOKENS = 2**40


_Group = tuple[int, str | None, str | None, str | None, str | None, str | None]


class _Details(Struct, gc=False):
    """Parts of a count, as the provider reports them, which may be anything."""

    cached_tokens: Any = 0
    cache_write_tokens: Any = 0
    reasoning_tokens: Any = 0


class _Usage(Struct, gc=False):
    input_tokens: int = 0
    output_tokens: int = 0
    input_details: _Details | None = None
    output_details: _Details | None = None
    estimated: bool = False


class Head(Struct, gc=False):
    """The fields of a record that have a column or count in the totals, without the rest."""

    request_id: str
    time: int
    status: int
    account: str | None = None
    key_id: str | None = None
    model: str | None = None
    model_served: str | None = None
    provider: str | None = None
    error: str | None = None
    usage: _Usage | None = None
    cost_usd: float | None = None


def totals_of(heads: Iterable[Head]) -> list[dict[str, Any]]:
    """What these records add to the totals, as rows of `usage`, in the order of its key."""
    groups: dict[_Group, list[float]] = {}
    for head in heads:
        status, served, used = head.status, head.model_served, head.usage
        # A name that no model has is the caller's own word: it must not fill the table.
        model = head.model if served or status == 429 or status >= 500 else None
        day = head.time // _DAY_MS
        group = (day, head.account, head.key_id, model, served, head.provider)
        sums = groups.get(group)
        if sums is None:
            sums = groups[group] = [0] * len(_SUMS)
        sums[0] += 1
        if status >= 400 or head.error is not None:
            sums[1] += 1
        if used is not None:
            _add(sums, used, head.cost_usd)
    rows = [(tuple(one or "" for one in group[1:]), group[0], groups[group]) for group in groups]
    return [_row(day, words, sums) for words, day, sums in sorted(rows)]


def _add(sums: list[float], used: _Usage, cost: float | None) -> None:
    if cost is None:
        sums[2] += 1
    else:
        sums[9] += cost
    if used.estimated:
        sums[3] += 1
    sums[4] += _count(used.input_tokens)
    sums[7] += _count(used.output_tokens)
    # Most of these are nothing, and this runs for every record.
    if (details := used.input_details) is not None:
        if details.cached_tokens:
            sums[5] += _count(details.cached_tokens)
        if details.cache_write_tokens:
            sums[6] += _count(details.cache_write_tokens)
    if (details := used.output_details) is not None and details.reasoning_tokens:
        sums[8] += _count(details.reasoning_tokens)


def _row(day: int, words: tuple[str, ...], sums: list[float]) -> dict[str, Any]:
    told = date.fromordinal(min(max(_EPOCH + day, 1), date.max.toordinal()))
    storable = (word.replace("\0", "\ufffd") for word in words)
    return dict(zip((*_KEY, *_SUMS), (told, *storable, *sums), strict=True))


def _count(value: object) -> int:
    if not isinstance(value, int):
        return 0
    return min(max(value, 0), _MOST_TOKENS)


def adding(insert: PostgresInsert | SqliteInsert) -> Insert:
    """The statement that adds rows of `totals_of` to what is there."""
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
