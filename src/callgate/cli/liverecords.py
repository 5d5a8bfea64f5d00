"""The records for a command that runs on while the store goes and comes back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from callgate.core.record import Record
from callgate.store.base import Query, RequestLog, StoreError
from callgate.store.records import Records

_LONGEST_MS = 15 * 60_000


class LiveRecords:
    """As `Records`, but while the store `log` is away only the journals of `folder` are read.

    `tell` is called when it goes and when it is back. Then it is asked once for all that it may
    have been given meanwhile, 15 minutes back at most.
    """

    def __init__(self, log: RequestLog | None, folder: Path, tell: Callable[[str], None]) -> None:
        self._all = Records(log, folder)
        self._journals = Records(None, folder)
        self._tell = tell
        self._missed: int | None = None  # from when on the store has not been looked at (Unix ms)

    def find(self, query: Query) -> list[Record]:
        """The newest `query.limit` records that match, newest first.

        Raises StoreError where the journals cannot be read.
        """
        since, missed = query.since, self._missed
        if missed is not None and since is not None:
            since = min(since, max(missed, since - _LONGEST_MS))
        wanted = msgspec.structs.replace(query, since=since)
        try:
            found = self._all.find(wanted)
        except StoreError as error:
            found = self._journals.find(wanted)
            if missed is None:
                self._missed = since or 0
                self._tell(f"only the journals are read until the store answers: {error}")
            return found
        if missed is not None:
            self._missed = None
            self._tell("the store answers again")
        return found
