"""The shipper: from the journal into the store, each record once."""

from __future__ import annotations

import errno
import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from callgate.store.base import RequestLog, Store, StoreError
from callgate.store.journal import segments
from callgate.store.journal import shipper as shippers
from callgate.store.journal.framing import frame
from callgate.store.journal.journal import Journal
from callgate.store.journal.shipper import Shipper
from callgate.store.journal.unshipped import backlog, find, scan
from callgate.store.opening import open_store
from samples import answered, booked
from store.children import child
from store.shipped import SHIP, append_raw, appended, ids, stored


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/callgate.db"


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture
def log(store: Store) -> RequestLog:
    return store.requests


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    opened = Journal(folder)
    yield opened
    opened.close()


@pytest.fixture
def shipper(folder: Path, log: RequestLog) -> Shipper:
    return Shipper(folder, log, time.time)


def test_records_move_into_the_store_in_batches(
    journal: Journal, shipper: Shipper, log: RequestLog, folder: Path
) -> None:
    records = appended(journal, 25)
    assert [shipper.ship(10) for _ in range(4)] == [10, 10, 5, 0]
    assert stored(log) == ids(records)
    assert list(scan(folder)) == []
    assert backlog(folder, time.time()).bytes == 0
    assert shipper.trouble is None


def test_a_segment_goes_when_it_is_shipped_and_its_writer_gone(
    journal: Journal, shipper: Shipper, folder: Path
) -> None:
    appended(journal, 3)
    shipper.ship()
    shipper.ship()
    assert len(segments.listed(folder)) == 1
    journal.close()
    shipper.ship()
    assert list(folder.iterdir()) == []


def test_a_writer_goes_on_after_its_segment_has_been_shipped(
    journal: Journal, shipper: Shipper, log: RequestLog
) -> None:
    records = []
    for _ in range(5):
        records += appended(journal, 3)
        assert shipper.ship() == 3
    assert stored(log) == ids(records)


def test_a_busy_writer_does_not_keep_others_waiting(
    folder: Path, shipper: Shipper, log: RequestLog
) -> None:
    writers = [Journal(folder) for _ in range(3)]
    for writer in writers[:2]:
        appended(writer, 100)
    late = appended(writers[2], 1)
    for _ in range(3):
        shipper.ship(10)
    assert log.get(late[0].request_id) is not None
    for writer in writers:
        writer.close()


def test_records_larger_than_a_block_are_shipped(
    journal: Journal, shipper: Shipper, log: RequestLog
) -> None:
    records = [answered(message="é" * size) for size in (300_000, 1, 2_000_000, 600_000, 1)]
    for record in records:
        journal.append(msgspec.json.encode(record))
    assert shipper.ship() == 5
    assert stored(log) == ids(records)


def test_a_crash_before_the_offset_is_kept_stores_nothing_twice(
    journal: Journal,
    shipper: Shipper,
    log: RequestLog,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = appended(journal, 10)

    def crash(_path: Path, _offset: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shippers.segments, "set_offset", crash)
        with pytest.raises(KeyboardInterrupt):
            shipper.ship(6)
    assert len(stored(log)) == 6
    again = Shipper(folder, log, time.time)
    assert again.ship() == 10
    assert stored(log) == ids(records)


@pytest.mark.parametrize("offset", [b"", b"garbage", b"-5\n", b"\xff"])
def test_an_offset_that_makes_no_sense_ships_from_the_beginning(
    journal: Journal, shipper: Shipper, log: RequestLog, folder: Path, offset: bytes
) -> None:
    records = appended(journal, 4)
    shipper.ship()
    (path,) = segments.listed(folder)
    path.with_suffix(".offset").write_bytes(offset)
    assert shipper.ship() == 4
    assert stored(log) == ids(records)


def test_two_shippers_do_no_harm(journal: Journal, log: RequestLog, folder: Path) -> None:
    records = appended(journal, 20)
    one, other = (Shipper(folder, log, time.time) for _ in range(2))
    journal.close()
    while one.ship(3) + other.ship(4):
        pass
    assert stored(log) == ids(records)


def test_a_store_that_is_away_is_reported_and_tried_again(
    journal: Journal, shipper: Shipper, log: RequestLog, tmp_path: Path
) -> None:
    records = appended(journal, 5)
    database = tmp_path / "callgate.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE records RENAME TO elsewhere")
    assert shipper.ship() == 0
    assert shipper.trouble is not None
    assert "store.url" in shipper.trouble
    shipper.trouble = None
    assert shipper.prune(0) == 0
    assert "store.url" in str(shipper.trouble)
    assert find(tmp_path / "journal", records[0].request_id) is not None
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("ALTER TABLE elsewhere RENAME TO records")
    assert shipper.ship() == 5
    assert shipper.trouble is None
    assert stored(log) == ids(records)


def test_a_tail_torn_at_any_byte_is_shipped_up_to_it(
    folder: Path, shipper: Shipper, log: RequestLog
) -> None:
    folder.mkdir()
    expected = []
    cuts = 0
    tail = frame(msgspec.json.encode(answered()))
    for cut in [*range(0, len(tail), 37), len(tail) - 1, len(tail)]:
        first, last = answered(), answered()
        torn = frame(msgspec.json.encode(last))[:cut]
        (folder / f"{cut}-1-1.journal").write_bytes(frame(msgspec.json.encode(first)) + torn)
        expected.append(first)
        if cut >= len(tail) - 1:
            expected.append(last)
        else:
            cuts += bool(cut)
    while shipper.ship(4):
        pass
    assert stored(log) == ids(expected)
    assert shipper.damaged == cuts
    assert [path.name for path in folder.iterdir()] == ["damaged.log"]


def test_a_record_in_the_writing_is_waited_for(
    journal: Journal, shipper: Shipper, log: RequestLog
) -> None:
    record = answered()
    line = frame(msgspec.json.encode(record))
    for at in range(0, len(line), 50):
        append_raw(journal, line[at : at + 50])
        shipper.ship()
    assert stored(log) == [record.request_id]
    assert shipper.damaged == 0


def test_room_that_a_killed_writer_left_over_is_no_damage(
    folder: Path, shipper: Shipper, log: RequestLog
) -> None:
    folder.mkdir()
    records = [answered() for _ in range(3)]
    lines = [frame(msgspec.json.encode(record)) for record in records]
    room = bytes(300_000)
    (folder / "1-1-1.journal").write_bytes(lines[0] + lines[1][:-1] + room)
    (folder / "2-1-1.journal").write_bytes(room)
    while shipper.ship(1):
        pass
    assert stored(log) == ids(records[:2])
    assert (shipper.damaged, list(folder.iterdir())) == (0, [])
    # A page that the disk never got, after a loss of power.
    (folder / "3-1-1.journal").write_bytes(room + lines[2] + room)
    while shipper.ship(1):
        pass
    assert stored(log) == ids(records)
    assert list(folder.glob("*.journal")) == []


def test_a_line_that_was_read_while_it_was_written_is_read_again(
    journal: Journal, log: RequestLog, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = appended(journal, 3)
    real, size = os.pread, len(frame(msgspec.json.encode(records[0])))
    looks = []

    def pread(fd: int, length: int, offset: int) -> bytes:
        looks.append(offset)
        data = real(fd, length, offset)
        return data if len(looks) > 1 else data[:size] + bytes(40) + data[size + 40 :]

    monkeypatch.setattr(os, "pread", pread)
    (path,) = segments.listed(folder)
    with segments.reading(path) as fd:
        chunk = segments.read(fd, 0, 10)
    assert chunk.records == [msgspec.json.encode(record) for record in records]
    assert chunk.damaged == []


def test_damage_costs_its_own_record_and_is_kept_for_people(
    journal: Journal, shipper: Shipper, log: RequestLog, folder: Path
) -> None:
    before = appended(journal, 2)
    append_raw(journal, b"cg1 00000005 00000000 {...}\n\n\0\0\0\n")
    after = appended(journal, 2)
    while shipper.ship(2):
        pass
    assert stored(log) == ids(before + after)
    assert shipper.damaged == 3
    assert b"cg1 00000005 00000000 {...}" in (folder / "damaged.log").read_bytes()


def test_what_is_framed_well_but_is_no_record_holds_nothing_up(
    journal: Journal, shipper: Shipper, log: RequestLog
) -> None:
    before = appended(journal, 3)
    journal.append(b'{"request_id":"no id","time":1,"status":200}')
    after = appended(journal, 3)
    assert shipper.ship() == 7
    assert stored(log) == ids(before + after)
    assert shipper.damaged == 1


def test_a_segment_that_cannot_be_read_holds_up_no_other_and_is_told(
    journal: Journal, shipper: Shipper, log: RequestLog, folder: Path
) -> None:
    (folder / "0-1-00000000.journal").mkdir()  # may be opened, but not read
    (folder / "9-9-99999999.journal").mkdir()
    records = appended(journal, 3)
    assert backlog(folder, time.time()).segments == 1
    assert find(folder, records[1].request_id) == records[1]
    with pytest.raises(StoreError, match=r"0-1-00000000\.journal, cannot be read: Is a"):
        find(folder, answered().request_id)
    with pytest.raises(StoreError, match="cannot be read"):
        list(scan(folder))
    assert shipper.ship() == 3
    assert stored(log) == ids(records)
    assert "directory" in (shipper.trouble or "")
    assert shipper.ship() == 0
    assert "directory" in (shipper.trouble or "")


def test_a_segment_of_which_a_part_cannot_be_read_hides_no_other(
    journal: Journal, shipper: Shipper, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = appended(journal, 3)
    other = folder / "0-1-00000000.journal"
    other.write_bytes(frame(b'{"a":1}') * 1000)
    pread, spoilt = os.pread, other.stat().st_ino

    def spoiling(fd: int, size: int, at: int) -> bytes:
        if os.fstat(fd).st_ino == spoilt and at + size > 4096:
            raise OSError(errno.EIO, "Input/output error")
        return pread(fd, size, at)

    monkeypatch.setattr(os, "pread", spoiling)
    assert backlog(folder, time.time()).segments == 1
    found = scan(folder)
    assert [next(found) for _ in records] == records
    with pytest.raises(StoreError, match=r"0-1-00000000\.journal, cannot be read: Input/output"):
        next(found)
    assert shipper.ship() == 3
    assert "Input/output error" in (shipper.trouble or "")


def test_on_a_full_disk_shipping_goes_on_and_makes_room(
    journal: Journal, shipper: Shipper, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []
    append_many = shipper._requests.append_many
    monkeypatch.setattr(
        shipper._requests,
        "append_many",
        lambda batch: given.append(len(batch)) or append_many(batch),
    )

    def full(path: Path, offset: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    appended(journal, 6)
    with monkeypatch.context() as disk:
        disk.setattr(segments, "set_offset", full)
        assert [shipper.ship(4), shipper.ship(4), shipper.ship(4)] == [4, 2, 0]
        assert given == [4, 2]
        appended(journal, 1)
        assert shipper.ship(4) == 1
        assert "No space" in (shipper.trouble or "")
        journal.close()
        shipper.ship()
        assert segments.listed(folder) == []
    assert given == [4, 2, 1]


def test_what_is_kept_of_damage_is_bounded(
    journal: Journal, shipper: Shipper, folder: Path
) -> None:
    for _ in range(30):
        append_raw(journal, b"x" * 100_000 + b"\n")
    appended(journal, 1)  # what is damaged and last might still be in the writing
    while shipper.ship():
        pass
    assert shipper.damaged == 30
    assert (folder / "damaged.log").stat().st_size <= 1 << 20


def test_what_killed_processes_left_half_made_is_swept_in_time(
    journal: Journal, folder: Path, log: RequestLog
) -> None:
    appended(journal, 1)
    for name in ("9-9-9.opening", "9-9-9.offset", "9-9-9.offset-77"):
        (folder / name).touch()
    Shipper(folder, log, time.time).ship()
    Shipper(folder, log, time.time).ship()
    assert len(list(folder.iterdir())) == 5
    Shipper(folder, log, lambda: time.time() + 61).ship()
    kept = {path.suffix for path in folder.iterdir()}
    assert kept == {".journal", ".offset"}


def test_killed_shippers_lose_and_double_nothing(
    folder: Path, url: str, store: Store, journal: Journal
) -> None:
    chance = random.Random(11)
    records = appended(journal, 600)
    for _ in range(3):
        with child(SHIP, url, folder) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(chance.random() * 0.02)
            process.kill()
    journal.close()
    last = Shipper(folder, store.requests, time.time)
    while last.ship():
        pass
    assert stored(store.requests) == ids(records)


def test_old_records_are_pruned_a_batch_at_a_time(shipper: Shipper, log: RequestLog) -> None:
    old = [answered(ago_ms=86_400_000 + number) for number in range(7)]
    new = [answered() for _ in range(3)]
    log.append_many(booked(*(old + new)))
    before = new[0].time - 3_600_000
    assert [shipper.prune(before, 3) for _ in range(4)] == [3, 3, 1, 0]
    assert stored(log) == ids(new)


def test_a_clock_ahead_of_the_stores_deletes_nothing_that_is_not_old(
    folder: Path, log: RequestLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = 86_400
    kept, old = answered(ago_ms=day * 1000), answered(ago_ms=5 * day * 1000)
    log.append_many(booked(kept, old))
    monkeypatch.setattr(log, "now", lambda: int(time.time() * 1000))
    ahead = Shipper(folder, log, lambda: time.time() + 400 * day)
    assert ahead.prune(int((time.time() + 400 * day - 3 * day) * 1000)) == 1
    assert stored(log) == ids([kept])
