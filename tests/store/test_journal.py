"""The journal: what is appended is there, whatever happens then."""

from __future__ import annotations

import errno
import os
import random
import stat
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from callgate.core.record import Record
from callgate.store import appender, segments
from callgate.store import journal as journals
from callgate.store.base import StoreError
from callgate.store.framing import frame
from callgate.store.journal import Journal, backlog, find, scan
from samples import answered
from store.children import child

# Appends for ever; an id on standard output says that its record is safe.
APPEND = """
import os, sys, time
from pathlib import Path
from callgate.core.ids import uuid7
from callgate.store.journal import Journal

journal = Journal(Path(sys.argv[1]), segment_bytes=100_000)
while True:
    now = time.time_ns() // 1_000_000
    request_id = uuid7(now, os.urandom(10))
    head = '{"request_id":"%s","time":%d,"status":200,"region":"us",' % (request_id, now)
    rest = '"method":"POST","path":"/v1","message":"%s"}' % ("x" * 2000)
    journal.append((head + rest).encode())
    os.write(1, request_id.encode())
"""

# Appends until a limit on the size of files stops it, then without the limit.
LIMITED = """
import resource, sys
from pathlib import Path
from callgate.store.journal import Journal

journal = Journal(Path(sys.argv[1]), mapped=sys.argv[3] == "mapped")
records = sys.stdin.read().encode().split(b"\\n")
_, most = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), most))
for record in records:
    journal.append(record)
print(journal.held)
print(journal.degraded)
resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
print(journal.flush(), journal.held, journal.degraded, journal.lost)
"""


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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal"


@pytest.fixture
def journal(folder: Path) -> Iterator[Journal]:
    opened = Journal(folder)
    yield opened
    opened.close()


def test_a_record_is_found_as_soon_as_it_is_appended(journal: Journal, folder: Path) -> None:
    records = [answered() for _ in range(5)]
    for record in records:
        assert find(folder, record.request_id) is None
        journal.append(encoded(record))
        assert encoded(find(folder, record.request_id)) == encoded(record)
    assert ids(folder) == [record.request_id for record in records]


def test_an_id_that_other_records_speak_of_is_not_mistaken(journal: Journal, folder: Path) -> None:
    wanted = answered()
    journal.append(encoded(answered(client_request_id=wanted.request_id)))
    assert find(folder, wanted.request_id) is None
    journal.append(encoded(wanted))
    journal.append(encoded(answered(message=f'"request_id":"{wanted.request_id}"')))
    found = find(folder, wanted.request_id)
    assert found is not None
    assert found.request_id == wanted.request_id


@pytest.mark.parametrize("request_id", ["", "x", "{", "0" * 36, "\n"])
def test_what_is_no_id_finds_nothing(journal: Journal, folder: Path, request_id: str) -> None:
    journal.append(encoded(answered()))
    assert find(folder, request_id) is None


def test_a_folder_that_is_not_there_is_empty(folder: Path) -> None:
    assert ids(folder) == []
    assert find(folder, answered().request_id) is None
    assert backlog(folder, time.time()) == (0, 0, None)


def test_each_record_is_a_line_for_grep(journal: Journal, folder: Path) -> None:
    record = answered(parameters={"stop": msgspec.Raw(b'[\n  "a",\n  "b"\n]')})
    journal.append(encoded(record))
    journal.append(encoded(answered()))
    (path,) = segments.listed(folder)
    first, _, rest = path.read_bytes().partition(b"\n")
    assert record.request_id.encode() in first
    assert rest.count(b"\n") == 1


def test_files_are_for_their_owner_alone(journal: Journal, folder: Path) -> None:
    journal.append(encoded(answered()))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()] == [0o600]


def test_a_full_segment_is_followed_by_another(folder: Path) -> None:
    journal = Journal(folder, segment_bytes=5000)
    records = [answered() for _ in range(40)]
    for record in records:
        journal.append(encoded(record))
    assert len(segments.listed(folder)) > 3
    assert sorted(ids(folder)) == sorted(record.request_id for record in records)
    for record in records:
        assert find(folder, record.request_id) is not None
    journal.close()


def test_writers_do_not_share_segments(folder: Path) -> None:
    writers = [Journal(folder) for _ in range(3)]
    for writer in writers:
        writer.append(encoded(answered()))
    assert len(segments.listed(folder)) == 3
    assert len(ids(folder)) == 3
    for writer in writers:
        writer.close()


def test_a_writer_that_wrote_nothing_leaves_nothing(folder: Path) -> None:
    Journal(folder).close()
    assert list(folder.iterdir()) == []


def test_a_segment_is_locked_while_it_may_grow(journal: Journal, folder: Path) -> None:
    journal.append(encoded(answered()))
    (path,) = segments.listed(folder)
    with segments.reading(path) as fd:
        assert not segments.finished(fd)
        journal.close()
        assert segments.finished(fd)


def test_the_backlog_counts_what_is_not_shipped(journal: Journal, folder: Path) -> None:
    old, new = encoded(answered(ago_ms=90_000)), encoded(answered(ago_ms=30_000))
    journal.append(old)
    journal.append(new)
    (path,) = segments.listed(folder)
    behind = backlog(folder, time.time())
    assert behind[:2] == (1, len(frame(old)) + len(frame(new)))
    assert behind.oldest_age == pytest.approx(90, abs=5)
    segments.set_offset(path, len(frame(old)))
    behind = backlog(folder, time.time())
    assert behind[:2] == (1, len(frame(new)))
    assert behind.oldest_age == pytest.approx(30, abs=5)
    segments.set_offset(path, len(frame(old)) + len(frame(new)))
    assert backlog(folder, time.time()) == (0, 0, None)
    assert ids(folder) == []


def test_the_oldest_of_a_backlog_is_that_of_all_writers(folder: Path) -> None:
    writers = [Journal(folder) for _ in range(3)]
    for writer, ago in zip(writers, (30_000, 90_000, 60_000), strict=True):
        writer.append(encoded(answered(ago_ms=ago)))
    behind = backlog(folder, time.time())
    assert behind.segments == 3
    assert behind.oldest_age == pytest.approx(90, abs=5)
    assert backlog(folder, time.time() - 3600).oldest_age == 0.0
    for writer in writers:
        writer.close()


def _fd(journal: Journal) -> int:
    assert journal._appender is not None
    return journal._appender.fd


def test_records_survive_kill_9_at_any_moment(folder: Path) -> None:
    chance = random.Random(3)
    acknowledged = []
    for _ in range(5):
        with child(APPEND, folder) as process:
            assert process.stdout is not None
            safe = os.read(process.stdout.fileno(), 36)
            deadline = time.monotonic() + chance.random() * 0.03
            while time.monotonic() < deadline or len(safe) < 20 * 36:
                safe += os.read(process.stdout.fileno(), 3600)
            process.kill()
            while more := os.read(process.stdout.fileno(), 65536):
                safe += more
            text = safe.decode()
            acknowledged += [text[at : at + 36] for at in range(0, len(text) - 35, 36)]
    kept = ids(folder)
    assert len(acknowledged) > 50
    assert set(acknowledged) <= set(kept)
    assert len(set(kept)) == len(kept)
    for request_id in acknowledged[:: len(acknowledged) // 20]:
        assert find(folder, request_id) is not None


def test_a_tail_torn_at_any_byte_hides_nothing_before_it(folder: Path) -> None:
    folder.mkdir(parents=True)
    first, last = tiny(), tiny()
    whole = frame(encoded(first))
    tail = frame(encoded(last))
    path = folder / "1-1-1.journal"
    for cut in range(len(tail)):
        path.write_bytes(whole + tail[:cut])
        assert ids(folder) == [first.request_id]
        assert find(folder, first.request_id) is not None
        assert backlog(folder, time.time()).bytes == len(whole) + cut
        found = find(folder, last.request_id)
        assert found is None or (cut == len(tail) - 1 and encoded(found) == encoded(last))


def test_a_byte_changed_anywhere_costs_at_most_its_own_record(folder: Path) -> None:
    folder.mkdir(parents=True)
    records = [tiny() for _ in range(3)]
    lines = [frame(encoded(record)) for record in records]
    path = folder / "1-1-1.journal"
    for at in range(len(lines[1])):
        for byte in (0, 10, lines[1][at] ^ 1):
            damaged = lines[1][:at] + bytes([byte]) + lines[1][at + 1 :]
            path.write_bytes(lines[0] + damaged + lines[2])
            kept = [records[0], records[2]]
            if damaged == lines[1] or at == len(lines[1]) - 1:
                kept = records
            assert ids(folder) == [record.request_id for record in kept]
            for record in kept:
                assert encoded(find(folder, record.request_id)) == encoded(record)


def test_a_full_disk_holds_records_in_memory_until_there_is_room(folder: Path) -> None:
    journal = Journal(folder, mapped=False)
    records = [answered() for _ in range(200)]
    journal.append(encoded(records[0]))
    fd = _fd(journal)
    disk, full = os.dup(fd), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, fd)
    for record in records[1:100]:
        journal.append(encoded(record))
    assert journal.held == 99
    assert journal.flush() is False
    assert journal.degraded is not None
    assert "No space left on device" in journal.degraded
    os.dup2(disk, fd)
    for record in records[100:]:
        journal.append(encoded(record))
    assert (journal.held, journal.degraded, journal.lost) == (0, None, 0)
    assert ids(folder) == [record.request_id for record in records]
    journal.close()
    os.close(disk)
    os.close(full)


def test_where_no_room_can_be_made_records_are_held_until_it_can(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(folder, mapped=True)
    records = [answered() for _ in range(6)]
    journal.append(encoded(records[0]))
    with monkeypatch.context() as patch:
        patch.setattr(appender, "_ROOM", 4096)

        def full(fd: int, begin: int, length: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        patch.setattr(os, "posix_fallocate", full)
        large = answered()
        large.message = "x" * 400_000
        journal.append(encoded(large))
        for record in records[1:]:
            journal.append(encoded(record))
        assert journal.held == 6
    assert journal.flush() is True
    assert ids(folder) == [one.request_id for one in (records[0], large, *records[1:])]
    journal.close()
    assert sum(path.stat().st_size for path in folder.iterdir()) == sum(
        len(frame(encoded(one))) for one in (large, *records)
    )


@pytest.mark.parametrize("mapped", [True, False])
def test_lines_of_any_size_follow_each_other_without_a_gap(folder: Path, mapped: bool) -> None:
    journal = Journal(folder, mapped=mapped)
    records = []
    for size in (0, 5000, 300_000, 1, 262_144, 1_000_000, 100, 90_000, 90_000, 90_000, 7):
        records.append(answered())
        records[-1].message = "x" * size
        journal.append(encoded(records[-1]))
    assert ids(folder) == [one.request_id for one in records]
    (path,) = segments.listed(folder)
    with segments.reading(path) as fd:
        lines = sum(len(frame(encoded(one))) for one in records)
        assert segments.written(fd, 0) == segments.written(fd, lines) == lines
        assert segments.read(fd, lines, 10) == ([], [], lines)
    journal.close()
    assert path.stat().st_size == lines


@pytest.mark.parametrize("way", ["mapped", "written"])
@pytest.mark.parametrize(("records", "size"), [(2, 1000), (10, 5000), (10, 300)])
def test_a_record_that_fits_in_part_only_is_taken_back(
    folder: Path, records: int, size: int, way: str
) -> None:
    lines = [encoded(answered()) for _ in range(records)]
    with child(LIMITED, folder, size, way) as process:
        told, _ = process.communicate(b"\n".join(lines).decode())
    held, degraded, end = told.splitlines()
    assert end == "True 0 None 0"
    if size < len(lines[0]):
        assert int(held) == records
        assert "File too large" in degraded
    raw = b"".join(path.read_bytes().rstrip(b"\0") for path in segments.listed(folder))
    assert sorted(raw.splitlines()) == sorted(frame(line)[:-1] for line in lines)


@pytest.mark.parametrize("bound", ["_HELD_RECORDS", "_HELD_BYTES"])
def test_what_is_held_is_bounded_and_the_oldest_goes_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    journal = Journal(folder, mapped=False)
    records = [answered() for _ in range(10)]
    largest = max(len(frame(encoded(record))) for record in records)
    monkeypatch.setattr(journals, bound, 3 if bound == "_HELD_RECORDS" else 3 * largest)
    fd = _fd(journal)
    disk, full = os.dup(fd), os.open("/dev/full", os.O_WRONLY)
    for begin in (0, 5):
        os.dup2(full, fd)
        for record in records[begin : begin + 5]:
            journal.append(encoded(record))
        assert (journal.held, journal.lost) == (3, 2 + 2 * (begin > 0))
        os.dup2(disk, fd)
        assert journal.flush() is True
    assert ids(folder) == [record.request_id for record in records[2:5] + records[7:]]
    journal.close()
    os.close(disk)
    os.close(full)


def test_a_writer_whose_file_fails_for_good_begins_another(folder: Path) -> None:
    journal = Journal(folder, mapped=False)
    first, second, third = answered(), answered(), answered()
    journal.append(encoded(first))
    broken = os.open("/dev/null", os.O_RDONLY)
    os.dup2(broken, _fd(journal))
    os.close(broken)
    journal.append(encoded(second))
    assert journal.held == 1
    journal.append(encoded(third))
    assert (journal.held, journal.degraded) == (0, None)
    assert sorted(ids(folder)) == sorted(one.request_id for one in (first, second, third))
    assert len(segments.listed(folder)) == 2
    journal.close()


def test_a_journal_deleted_from_under_its_writer_begins_anew_with_what_was_in_it(
    journal: Journal, folder: Path
) -> None:
    before, after = answered(), answered()
    journal.append(encoded(before))
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    journal.look()
    journal.append(encoded(after))
    assert ids(folder) == [before.request_id, after.request_id]


def test_a_disk_that_can_only_be_read_any_more_costs_no_record(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    record = answered()
    with closing(Journal(folder, mapped=True)) as journal, monkeypatch.context() as broken:
        for name in ("posix_fallocate", "unlink", "ftruncate", "open"):
            broken.setattr(os, name, refuse)
        journal.append(encoded(record))
        assert journal.held == 1
        broken.undo()
        assert journal.flush()
        assert ids(folder) == [record.request_id]


def test_a_folder_that_cannot_be_made_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="data_dir"):
        Journal(tmp_path / "file" / "journal")
