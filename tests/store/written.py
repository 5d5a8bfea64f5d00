"""Records as a journal is given them, and what it then holds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from callgate.core.record import Record
from callgate.store.journal.journal import Journal
from callgate.store.journal.unshipped import scan
from samples import answered


def tiny() -> Record:
    """As short a record as there is."""
    one = answered()
    return Record(
        request_id=one.request_id, time=one.time, region="us", method="GET", path="/", status=200
    )


def encoded(record: Record) -> bytes:
    return msgspec.json.encode(record)


def ids(folder: Path) -> list[str]:
    return [record.request_id for record in scan(folder)]


def fd_of(journal: Journal) -> int:
    assert journal._appender is not None
    return journal._appender.fd
