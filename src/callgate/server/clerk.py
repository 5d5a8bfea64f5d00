"""The clerk: moves records from the journals into the store, and deletes what is past retention."""

from __future__ import annotations

import gc
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

from callgate.capture.files import CaptureError, find, prune, read
from callgate.core.captured import Captured
from callgate.core.secret import Secret
from callgate.server.child import Signs
from callgate.server.counting import Counting
from callgate.server.retention import Calendar, steady
from callgate.server.signals import wait_for
from callgate.server.supervisor import orphaned
from callgate.store.journal.shipper import Shipper
from callgate.store.journal.watch import Observer, Watch
from callgate.store.opening import open_store_or_wait

# Long enough for a commit to carry many records, short enough for whoever lists them.
_PAUSE_SECONDS = 0.5
_PRUNE_EVERY = 60.0
_PRUNE_BATCH = 500
_BATCH = 2000
_DAY_MS = 86_400_000
_log = logging.getLogger("callgate.clerk")


class Traces(NamedTuple):
    """The collector of traces, and what it is told of this gateway.

    `content`: also what was said, of requests whose payloads are captured.
    """

    endpoint: str
    headers: Mapping[str, Secret]
    service: str
    version: str
    region: str
    content: bool


class Books(NamedTuple):
    """What there is to do: for how many days records and captures are kept, and of captures how
    many bytes at most, and `calendar` says by what time. Records are counted for `metrics_dir`, and
    told to `traces`, if given.
    """

    store_url: str
    journal_dir: Path
    retention_days: int
    capture_dir: Path
    capture_days: int
    capture_bytes: int
    metrics_dir: Path | None
    traces: Traces | None
    calendar: Calendar


def keep_books(books: Books, supervisor: int, signs: Signs) -> None:
    """Ship until SIGTERM, or until the process `supervisor` is gone; blocks.

    `signs` of life are given from when the store is open. The workers go first: whoever answers
    callers has the right to the processor.
    """
    os.nice(5)
    end = _End(supervisor)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ExitStack() as stack:
        store = stack.enter_context(closing(open_store_or_wait(books.store_url)))
        observers: list[Observer] = []
        duties: list[Callable[[], None]] = []
        if books.metrics_dir is not None:
            counting = stack.enter_context(closing(Counting(books.journal_dir, books.metrics_dir)))
            observers.append(counting.tally.observe)
            duties.append(counting.tell)
        if books.traces is not None:
            from callgate.traces.export import Exporter  # an extra, and heavy

            to = books.traces
            captures = partial(_capture, books.capture_dir) if to.content else None
            exporter = Exporter(
                to.endpoint, to.headers, to.service, to.version, to.region, captures
            )
            stack.enter_context(closing(exporter))
            observers.append(exporter.observe)
            duties.append(exporter.join)
        watch = Watch(books.journal_dir, observers) if observers else None
        shipper = Shipper(books.journal_dir, store.requests, time.time, watch)
        gc.freeze()  # what there is by now stays: no collection has to look at it again
        signs.alive()
        _work(shipper, end, books, duties, signs)


class _End:
    """Knows when the clerk has to end."""

    def __init__(self, supervisor: int) -> None:
        # Blocked, the signal waits until it is asked for, and cuts a pause short.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        self._supervisor = supervisor
        self._told = False

    def within(self, seconds: float) -> bool:
        """Whether it is time to end; waits up to so many seconds for it."""
        if not self._told:
            self._told = wait_for({signal.SIGTERM}, seconds) is not None
        return self._told or orphaned(self._supervisor)


def _tell(shipper: Shipper) -> None:
    if shipper.trouble is not None:
        _log.error("records wait in the journal", extra={"detail": shipper.trouble})
    else:
        _log.warning("records are shipped", extra={"damaged_lines": shipper.damaged})


def _prune(books: Books, now: float) -> None:
    try:
        prune(books.capture_dir, now, books.capture_days, books.capture_bytes)
    except OSError as error:
        _log.error("old captures cannot be deleted", extra={"detail": error.strerror})


def _capture(folder: Path, request_id: str) -> Captured | None:
    """The capture of a request, if it is there and sound."""
    path = find(folder, request_id)
    try:
        return None if path is None else read(path)
    except CaptureError:
        return None


def _work(
    shipper: Shipper,
    end: _End,
    books: Books,
    duties: Sequence[Callable[[], None]],
    signs: Signs,
) -> None:
    next_prune = 0.0
    told: tuple[str | None, int] = (None, 0)
    pause = 0.0
    while True:
        last_round = end.within(pause)
        pause = _PAUSE_SECONDS
        signs.alive()
        while shipper.ship(_BATCH) >= _BATCH:
            signs.alive()
        for duty in duties:
            duty()
        if (shipper.trouble, shipper.damaged) != told:
            told = (shipper.trouble, shipper.damaged)
            _tell(shipper)
        if last_round:
            return
        if time.monotonic() >= next_prune:
            next_prune = time.monotonic() + _PRUNE_EVERY
            now = books.calendar.now(time.time(), steady())
            signs.busy()  # a database may take long to drop a large day
            _prune(books, now)
            oldest = int(now * 1000) - books.retention_days * _DAY_MS
            while shipper.prune(oldest, _PRUNE_BATCH) >= _PRUNE_BATCH and not end.within(0):
                pass
