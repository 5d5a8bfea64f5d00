"""The records on this machine, wherever they are: in the store, or in journals not yet shipped."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from heapq import nlargest
from pathlib import Path

import msgspec

from callgate.core.ids import unix_ms, uuid7
from callgate.core.record import Record
from callgate.store.base import Page, Query, RequestLog, StoreError, Tally
from callgate.store.journal import unshipped

Keep = Callable[[Record], bool]

_MINUTE = 60_000
_SLACK_MS = 10_000  # by how much a record's time may differ from its id's


class Records:
    """Reads a store, None where it cannot be reached, and the journals of a folder.

    `patience` is how many seconds one question may take of the journals, which are small as long
    as the store answers; None for as long as it takes. Beyond it StoreError is raised.
    """

    def __init__(
        self, log: RequestLog | None, folder: Path, *, patience: float | None = None
    ) -> None:
        self._log = log
        self._folder = folder
        self._patience = patience

    def get(self, request_id: str) -> Record | None:
        """The record of this id. Raises StoreError where the store cannot say."""
        trouble: StoreError | None = None
        try:
            found = self._stored(request_id)
        except StoreError as error:
            found, trouble = None, error
        found = found or unshipped.find(self._folder, request_id, self._timer())
        if found is None and trouble is not None:
            raise trouble
        # The store once more: the record may have been shipped in between.
        return found or self._stored(request_id)

    def find(self, query: Query, keep: Keep | None = None) -> list[Record]:
        """The newest `query.limit` records that match and that `keep` keeps, newest first."""
        # The journals first: what is shipped meanwhile is then found twice rather than not at all.
        found = self._unshipped(query, keep)
        for record in self._shipped(query, keep):
            found[record.request_id] = record
        return sorted(found.values(), key=_id, reverse=True)[: query.limit]

    def page(self, query: Query, oldest: int, seconds: float, keep: Keep | None = None) -> Page:
        """The newest that match and are kept, as many as `query.limit`, or as can be found in about
        so many seconds; the cursor is None where there are no more.

        The store is asked for longer and longer spans of time, back to `oldest` (Unix ms): so a
        common match is found at once, and a rare one costs a bounded time; so does one behind many
        that are not kept.
        """
        ends = time.monotonic() + seconds
        wider = msgspec.structs.replace(query, limit=query.limit + 1)
        found = self._unshipped(wider, keep)
        end = int(time.time() * 1000) + _SLACK_MS
        if query.before is not None:
            end = min(end, unix_ms(query.before) + 1)
        if query.until is not None:
            end = min(end, query.until + _SLACK_MS)
        oldest = max(oldest, query.since or 0) - _SLACK_MS
        span, edge = 10 * _MINUTE, query.before
        while True:
            start = max(end - span, oldest)
            since = max(start - _SLACK_MS, query.since or 0)
            window = msgspec.structs.replace(wider, since=since, before=edge)
            edge, whole = uuid7(max(start, 0), 0), True
            for record, kept in self._judged(window, keep):
                if kept:
                    found[record.request_id] = record
                if time.monotonic() > ends:  # all that is newer has been looked at
                    edge, whole = record.request_id, False
                    break
            newest = nlargest(wider.limit, (id_ for id_ in found if id_ >= edge))
            if len(newest) == wider.limit or (whole and start <= oldest):
                break
            if time.monotonic() > ends:
                return Page([found[id_] for id_ in newest], edge)
            end, span = start, span * 2
        listed = [found[id_] for id_ in newest[: query.limit]]
        return Page(listed, newest[query.limit - 1] if len(newest) == wider.limit else None)

    def tally(self, query: Query) -> list[Tally]:
        """The records that match, counted by status and error.

        One that is shipped in this very moment may be counted twice.
        """
        counts = Counter((one.status, one.error) for one in self._scanned(query))
        for status, error, calls in self._log.tally(query) if self._log is not None else ():
            counts[status, error] += calls
        return [Tally(status, error, calls) for (status, error), calls in counts.items()]

    def _stored(self, request_id: str) -> Record | None:
        return None if self._log is None else self._log.get(request_id)

    def _unshipped(self, query: Query, keep: Keep | None) -> dict[str, Record]:
        """The newest of the journals by their ids."""
        matching = (one for one in self._scanned(query) if keep is None or keep(one))
        return {one.request_id: one for one in nlargest(query.limit, matching, key=_id)}

    def _scanned(self, query: Query) -> Iterator[Record]:
        holding = query.holding
        if not holding and query.account is not None:
            holding = msgspec.json.encode(query.account)
        for record in unshipped.scan(self._folder, holding, self._timer()):
            if matches(record, query):
                yield record

    def _shipped(self, query: Query, keep: Keep | None) -> Iterator[Record]:
        return (record for record, kept in self._judged(query, keep) if kept)

    def _judged(self, query: Query, keep: Keep | None) -> Iterator[tuple[Record, bool]]:
        """The store's records that match, the newest first, and whether each is kept; up to the
        last that is wanted.
        """
        left = query.limit
        if self._log is None or not left:
            return
        wanted = query
        if keep is not None or query.searches():
            wanted = msgspec.structs.replace(query, limit=2**31)
        for record in self._log.find(wanted):
            kept = query.reached_by(record) and (keep is None or keep(record))
            yield record, kept
            left -= kept
            if not left:
                return

    def _timer(self) -> Callable[[], None]:
        """Raises StoreError when it is called after the time is up."""
        patience = self._patience
        if patience is None:
            return unshipped.unhurried
        ends = time.monotonic() + patience

        def look() -> None:
            if time.monotonic() > ends:
                raise StoreError(
                    f"the journals hold more than can be looked through in {patience:g} s; "
                    "restore the store, and the clerk will empty them"
                )

        return look


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
    since, until = query.since, query.until
    if (since is not None and record.time < since) or (until is not None and record.time >= until):
        return False
    if query.before is not None and record.request_id >= query.before:
        return False
    return query.reached_by(record)


def _id(record: Record) -> str:
    return record.request_id
