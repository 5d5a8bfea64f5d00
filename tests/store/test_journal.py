"""The journal: what is appended is there, whatever happens then."""

from __future__ import annotations

import os
import random
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from callgate.store.journal import segments
from callgate.store.journal.framing import frame
from callgate.store.journal.journal import Journal
from callgate.store.journal.unshipped import backlog, find
from samples import answered
from store.children import child
from store.written import encoded, ids, tiny

# Appends for ever; an id on standard output says that its record is safe.
APPEND = """
import os, sys, time
from pathlib import Path
from callgate.core.ids import uuid7
from callgate.store.journal.journal import Journal

journal = Journal(Path(sys.argv[1]), segment_bytes=100_000)
while True:
    now = time.time_ns() // 1_000_000
    request_id = uuid7(now, os.urandom(10))
    head = '{"request_id":"%s","time":%d,"status":200,"region":"us",' % (request_id, now)
    rest = '"method":"POST","path":"/v1","message":"%s"}' % ("x" * 2000)
    journal.append((head + rest).encode())
    os.write(1, request_id.encode())
"""


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


def test_a_segment_that_is_shipped_before_it_is_opened_is_passed_over(
    journal: Journal, folder: Path
) -> None:
    record = answered()
    journal.append(encoded(record))
    (segment,) = folder.iterdir()
    assert find(folder, record.request_id, segment.unlink) is None


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
