"""New records as they come, each once."""

from __future__ import annotations

import msgspec

from callgate.cli.liverecords import LiveRecords
from callgate.core.record import Record
from callgate.store.base import Query
from callgate.store.records import Records

# A record appears when its request ends but is dated when it began: most calls are found in the
# near past, the longest ones only by looking back further, which costs more and is done less.
_NEAR_MS = 10_000
_FAR_MS = 15 * 60_000
_FAR_EVERY_MS = 5_000
_MOST = 10_000


class Follower:
    """Gives what `query` selects, oldest first: `begin`, then `poll` again and again."""

    def __init__(self, records: Records | LiveRecords, query: Query) -> None:
        self._records = records
        self._query = query
        self._seen: dict[str, int] = {}
        self._looked_far = 0

    def begin(self, now: int) -> list[Record]:
        """The newest `query.limit` records up to now (Unix ms)."""
        self._fresh(now, _FAR_MS)
        self._looked_far = now
        newest = self._records.find(self._query)
        self._seen.update((record.request_id, record.time) for record in newest)
        return newest[::-1]

    def poll(self, now: int) -> list[Record]:
        """The records that have appeared since it was last asked."""
        far = now - self._looked_far >= _FAR_EVERY_MS
        fresh = self._fresh(now, _FAR_MS if far else _NEAR_MS)
        if far:
            self._looked_far = now
            horizon = now - 2 * _FAR_MS
            self._seen = {id_: time for id_, time in self._seen.items() if time >= horizon}
        return fresh

    def _fresh(self, now: int, span: int) -> list[Record]:
        since = max(now - span, self._query.since or 0)
        query = msgspec.structs.replace(self._query, since=since, limit=_MOST)
        seen = self._seen
        found = self._records.find(query)
        fresh = [record for record in found if record.request_id not in seen]
        seen.update((record.request_id, record.time) for record in fresh)
        return fresh[::-1]
