"""The clerk's counting of records, told to the metrics."""

from __future__ import annotations

import time
from pathlib import Path

from callgate.metrics.sheets import Sheet
from callgate.metrics.tally import Series, Tally
from callgate.store.journal.unshipped import backlog

_TELL_EVERY = 1.0


class Counting:
    """Counts records in `tally`, and tells the figures in a sheet of `folder` once a second."""

    def __init__(self, journal_dir: Path, folder: Path) -> None:
        self.tally = Tally(time.time())
        self._sheet = Sheet(folder, "clerk")
        self._journal_dir = journal_dir
        self._next = 0.0

    def tell(self) -> None:
        """Write the sheet, if it is time to."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _TELL_EVERY
        waiting = backlog(self._journal_dir, time.time())
        self._sheet.write(
            {
                **self.tally.snapshot(),
                "callgate_journal_backlog_bytes": [Series((), waiting.bytes)],
                "callgate_journal_backlog_seconds": [Series((), waiting.oldest_age or 0.0)],
            }
        )

    def close(self) -> None:
        """Take the sheet away."""
        self._sheet.close()
