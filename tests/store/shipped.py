"""Records on their way into the store, and in it, for tests of the shipper."""

from __future__ import annotations

import msgspec

from callgate.core.record import Record
from callgate.store.base import Query, RequestLog
from callgate.store.journal.journal import Journal
from samples import answered

SHIP = """
import sys, time
from pathlib import Path
from callgate.store.opening import open_store
from callgate.store.journal.shipper import Shipper

store = open_store(sys.argv[1])
shipper = Shipper(Path(sys.argv[2]), store.requests, time.time)
print("ready", flush=True)
while True:
    shipper.ship(7)
"""


def append_raw(journal: Journal, data: bytes) -> None:
    """Bytes that are no line, as a writer leaves them that is not done, or not sound."""
    assert journal._appender is not None
    journal._appender.append(data)


def appended(journal: Journal, count: int) -> list[Record]:
    records = [answered() for _ in range(count)]
    for record in records:
        journal.append(msgspec.json.encode(record))
    return records


def stored(log: RequestLog) -> list[str]:
    return sorted(record.request_id for record in log.find(Query(limit=100_000)))


def ids(records: list[Record]) -> list[str]:
    return sorted(record.request_id for record in records)
