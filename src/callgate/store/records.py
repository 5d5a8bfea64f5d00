"""The records on this machine, wherever they are: in the store, or in journals not yet shipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from callgate.core.record import Record
from callgate.store import journal
from callgate.store.base import Query, RequestLog, Tally

Keep = Callable[[Record], bool]


class Records:
    """Reads a store, None where it cannot be reached, and the journals of a folder."""

    def __init__(self, log: RequestLog | None, folder: Path) -> None:
        self._log = log
        self._folder = folder

    def get(self, request_id: str) -> Record | None:
        """The record of this id."""
        # The store once more at the end: the record may have been shipped in between.
        return (
            self._stored(request_id)
            or journal.find(self._folder, request_id)
            or self._stored(request_id)
        )

    def find(self, query: Query, keep: Keep | None = None) -> list[Record]:
        """The newest `query.limit` records that match and that `keep` keeps, newest first."""
        # The journals first: what is shipped meanwhile is then found twice rather than not at all.
        found = {
            record.request_id: record
            for record in journal.scan(self._folder)
            if matches(record, query) and (keep is None or keep(record))
        }
        for record in self._shipped(query, keep):
            found[record.request_id] = record
        return sorted(found.values(), key=_id, reverse=True)[: query.limit]

    def tally(self, query: Query) -> list[Tally]:
        """The records that match, counted by status and error.

        One that is shipped in this very moment may be counted twice.
        """
        counts = Counter(
            (record.status, record.error)
            for record in journal.scan(self._folder)
            if matches(record, query)
        )
        for status, error, count in self._log.tally(query) if self._log is not None else ():
            counts[status, error] += count
        return [Tally(status, error, count) for (status, error), count in counts.items()]

    def _stored(self, request_id: str) -> Record | None:
        return None if self._log is None else self._log.get(request_id)

    def _shipped(self, query: Query, keep: Keep | None) -> Iterator[Record]:
        if self._log is None:
            return
        if keep is None:
            yield from self._log.find(query)
            return
        left = query.limit
        for record in self._log.find(msgspec.structs.replace(query, limit=2**31)):
            if keep(record):
                yield record
                left -= 1
            if not left:
                return


def matches(record: Record, query: Query) -> bool:
    """Whether the query asks for the record, as a store would decide."""
    asked = (
        (query.account, record.account),
        (query.key_id, record.key_id),
        (query.model, record.model),
        (query.error, record.error),
    )
    if any(wanted is not None and wanted != is_ for wanted, is_ in asked):
        return False
    status = query.status
    if status is not None and status not in (record.status, record.status // 100):
        return False
    if query.failed and record.error is None and record.status < 400:
        return False
    if query.since is not None and record.time < query.since:
        return False
    if query.until is not None and record.time >= query.until:
        return False
    return query.before is None or record.request_id < query.before


def _id(record: Record) -> str:
    return record.request_id
