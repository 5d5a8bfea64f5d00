"""Records that a full disk does not take: told, tried again, given to the store at the end."""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from callgate.core.record import Record
from callgate.store.base import Store
from callgate.store.journal import appender
from callgate.store.journal.heldrecords import HeldRecords
from callgate.store.journal.journal import Journal
from callgate.store.journal.unshipped import scan
from callgate.store.opening import open_store
from samples import answered


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{tmp_path}/callgate.db")) as opened:
        yield opened


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with closing(Journal(tmp_path / "journal", mapped=True)) as opened:
        yield opened


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The disk is full, until this is undone."""

    def no_room(fd: int, begin: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(appender, "_ROOM", 4096)
    monkeypatch.setattr(os, "posix_fallocate", no_room)
    return monkeypatch


def held_by(journal: Journal, count: int) -> list[Record]:
    records = [answered() for _ in range(count)]
    for record in records:
        journal.append(msgspec.json.encode(record))
    assert journal.held == count
    return records


async def test_they_are_told_once_and_written_without_another_request(
    journal: Journal,
    store: Store,
    full: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    caplog.set_level(logging.INFO, "callgate.journal")
    watched = HeldRecords(journal, store.requests)
    await watched.look()
    records = held_by(journal, 600)
    await watched.look()
    await watched.look()
    assert [one.message for one in caplog.records] == ["records cannot be written"]
    assert "No space left on device; 600 records are held" in caplog.records[0].__dict__["detail"]
    full.undo()
    await watched.look()
    assert [one.message for one in caplog.records[1:]] == ["records are written again"]
    found = [record.request_id for record in scan(tmp_path / "journal")]
    assert found == [record.request_id for record in records]


async def test_where_the_process_ends_the_store_takes_them(
    journal: Journal, store: Store, full: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records = held_by(journal, 3)
    assert await HeldRecords(journal, store.requests).save(final=False)
    assert all(store.requests.get(record.request_id) for record in records)
    assert journal.held == 0
    (told,) = caplog.records
    assert told.message == "records went to the store past the journal"
    assert told.__dict__["records"] == 3
    assert "No space left on device" in told.__dict__["detail"]
    full.undo()


async def test_what_was_written_to_a_segment_that_was_deleted_is_written_again(
    journal: Journal, store: Store, tmp_path: Path
) -> None:
    record = answered()
    journal.append(msgspec.json.encode(record))
    (segment,) = (tmp_path / "journal").glob("*.journal")
    segment.unlink()
    await HeldRecords(journal, store.requests).look()
    assert [one.request_id for one in scan(tmp_path / "journal")] == [record.request_id]
    assert journal.held == 0


async def test_what_was_in_a_deleted_segment_is_held_where_the_disk_is_full(
    journal: Journal, store: Store, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    records = [answered() for _ in range(3)]
    for record in records:
        journal.append(msgspec.json.encode(record))
    (segment,) = (tmp_path / "journal").glob("*.journal")
    segment.unlink()
    full: pytest.MonkeyPatch = request.getfixturevalue("full")
    held = HeldRecords(journal, store.requests)
    await held.look()
    assert journal.held == 3
    full.undo()
    await held.look()
    found = [record.request_id for record in scan(tmp_path / "journal")]
    assert found == [record.request_id for record in records]


async def test_what_the_store_does_not_take_either_is_told_to_be_lost(
    journal: Journal, store: Store, full: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    held_by(journal, 3)
    store.close()
    (Path(journal._folder).parent / "callgate.db").write_bytes(b"no database" * 100)
    await HeldRecords(journal, store.requests).save()
    (told,) = caplog.records
    assert (told.levelname, told.message) == ("ERROR", "records are lost")
    assert told.__dict__["records"] == 3
    full.undo()


async def test_who_need_not_end_yet_keeps_them_until_there_is_room(
    journal: Journal, store: Store, full: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    records = held_by(journal, 3)
    store.close()
    (tmp_path / "callgate.db").write_bytes(b"no database" * 100)
    held = HeldRecords(journal, store.requests)
    assert not await held.save(final=False)
    assert journal.held == 3
    full.undo()
    assert await held.save(final=False)
    found = [record.request_id for record in scan(tmp_path / "journal")]
    assert found == [record.request_id for record in records]


async def test_records_that_were_given_up_are_told_once(
    journal: Journal,
    store: Store,
    full: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    full.setattr("callgate.store.journal.journal._HELD_RECORDS", 1)
    held = HeldRecords(journal, store.requests)
    for lost in (2, 3):
        for _ in range(3):
            journal.append(msgspec.json.encode(answered()))
        await held.look()
        await held.look()
        (told,) = [one for one in caplog.records if one.message == "records are lost"]
        assert told.__dict__["records"] == lost
        assert "cannot be written" in told.__dict__["detail"]
        caplog.clear()
