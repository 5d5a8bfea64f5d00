"""What was spent, by the store's totals and by the records that it does not have yet."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from callgate.core.allowance import Spent
from callgate.store.base import RequestLog, UsageQuery
from callgate.store.journal.unshipped import scan

_BY = ("day", "account", "key_id", "served")
_TRIES = 5


def spent_since(requests: RequestLog, journal_dir: Path, since: date) -> list[Spent]:
    """What was spent since a day, that day included. Blocks; raises StoreError.

    Read again where the totals have changed meanwhile: of what was shipped in between it cannot be
    told whether the journal had it still. In the end it is counted twice rather than left out.
    """
    query = UsageQuery(by=_BY, since=since)
    rows = requests.usage(query)
    for _ in range(_TRIES):
        before = rows
        waiting = [
            Spent(day, one.account or "", one.key_id or "", one.model_served or "", one.cost_usd)
            for one in scan(journal_dir)
            if one.cost_usd and (day := _day(one.time)) >= since
        ]
        rows = requests.usage(query)
        if rows == before:
            break
    return waiting + [
        Spent(row.day, row.account or "", row.key_id or "", row.served or "", row.cost_usd)
        for row in rows
        if row.day is not None and row.cost_usd
    ]


def _day(time: int) -> date:
    return datetime.fromtimestamp(time / 1000, UTC).date()
