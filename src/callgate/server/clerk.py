"""The clerk: moves records from the journals into the store, and deletes what is past retention."""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from callgate.server.supervisor import orphaned
from callgate.store.opening import open_store
from callgate.store.shipper import Shipper

_IDLE_SECONDS = 0.25
_PRUNE_EVERY = 60.0
_PRUNE_BATCH = 500
_BATCH = 500
_DAY_MS = 86_400_000
_log = logging.getLogger("callgate.clerk")


def keep_books(store_url: str, journal_dir: Path, retention_days: int, supervisor: int) -> None:
    """Ship until told to stop by SIGTERM, or until the process `supervisor` is gone; blocks.

    The workers go first: whoever answers callers has the right to the processor.
    """
    os.nice(5)
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with closing(open_store(store_url)) as store:
        shipper = Shipper(journal_dir, store.requests, time.time)
        _work(shipper, lambda: bool(stopping) or orphaned(supervisor), retention_days)


def _tell(shipper: Shipper) -> None:
    if shipper.trouble is not None:
        _log.error("records wait in the journal", extra={"detail": shipper.trouble})
    else:
        _log.warning("records are shipped", extra={"damaged_lines": shipper.damaged})


def _work(shipper: Shipper, over: Callable[[], bool], retention_days: int) -> None:
    next_prune = 0.0
    told: tuple[str | None, int] = (None, 0)
    while True:
        last_round = over()
        while shipper.ship(_BATCH) >= _BATCH:
            pass
        if (shipper.trouble, shipper.damaged) != told:
            told = (shipper.trouble, shipper.damaged)
            _tell(shipper)
        if last_round:
            return
        if time.monotonic() >= next_prune:
            next_prune = time.monotonic() + _PRUNE_EVERY
            oldest = int(time.time() * 1000) - retention_days * _DAY_MS
            while shipper.prune(oldest, _PRUNE_BATCH) >= _PRUNE_BATCH and not over():
                pass
        time.sleep(_IDLE_SECONDS)
