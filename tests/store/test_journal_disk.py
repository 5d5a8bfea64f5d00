"""The journal on a disk that is full, fails, or is taken away."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import closing
from pathlib import Path

import pytest

from callgate.store.base import StoreError
from callgate.store.journal import appender, segments
from callgate.store.journal import journal as journals
from callgate.store.journal.appender import can_be_mapped
from callgate.store.journal.framing import frame
from callgate.store.journal.journal import Journal
from samples import answered
from store.children import child
from store.written import encoded, fd_of, ids

# Appends until a limit on the size of files stops it, then without the limit.
LIMITED = """
import resource, sys
from pathlib import Path
from callgate.store.journal.journal import Journal

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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal"


def test_a_full_disk_holds_records_in_memory_until_there_is_room(folder: Path) -> None:
    journal = Journal(folder, mapped=False)
    records = [answered() for _ in range(200)]
    journal.append(encoded(records[0]))
    fd = fd_of(journal)
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


@pytest.mark.parametrize(
    ("mounts", "mapped"),
    [
        ("29 1 {own} / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n", True),
        ("29 1 {own} / / rw - tmpfs tmpfs rw\n", True),
        ("29 1 {own} / / rw master:1 shared:2 - btrfs /dev/sda1 rw\n", False),
        ("29 1 {other} / / rw - ext4 /dev/sdb1 rw\n30 29 {own} / /data rw - zfs tank rw\n", False),
        (
            "29 1 {other} / / rw - zfs tank rw\n\n30 29 {own} / /\udcff rw - xfs /dev/sdb1 rw\n",
            True,
        ),
        ("29 1 {other} / / rw - ext4 /dev/sda1 rw\n", False),
        ("", False),
        (None, False),
    ],
)
def test_a_segment_is_mapped_only_where_its_room_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mounts: str | None, mapped: bool
) -> None:
    """Elsewhere a full disk would end the process by SIGBUS, and what is not known is no such."""
    told = tmp_path / "mountinfo"
    if mounts is not None:
        device = tmp_path.stat().st_dev
        own = f"{os.major(device)}:{os.minor(device)}"
        text = mounts.format(own=own, other=f"{os.major(device) + 1}:0")
        told.write_text(text, errors="surrogateescape")
    monkeypatch.setattr(appender, "_MOUNTS", told)
    assert can_be_mapped(tmp_path) is mapped


@pytest.mark.parametrize("failing", ["open", "flock"])
def test_a_disk_that_is_full_at_the_start_is_told_and_holds_records(
    folder: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os if failing == "open" else fcntl, failing, full)
        journal = Journal(folder, mapped=False)
        assert "No space left on device" in str(journal.degraded)
        record = answered()
        journal.append(encoded(record))
        assert journal.held == 1
        assert list(folder.iterdir()) == []
    assert journal.flush() is True
    assert journal.degraded is None
    assert ids(folder) == [record.request_id]
    journal.close()


def test_a_line_that_fails_halfway_leaves_nothing_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pwrite = os.pwrite

    def halfway(fd: int, data: bytes, at: int) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "No space left on device")
        return pwrite(fd, data[:-99], at)

    with closing(Journal(folder, mapped=False)) as journal:
        sound = answered()
        journal.append(encoded(sound))
        with monkeypatch.context() as full:
            full.setattr(os, "pwrite", halfway)
            journal.append(encoded(answered()))
        assert journal.held == 1
        (path,) = folder.iterdir()
        assert path.read_bytes() == frame(encoded(sound))


def test_no_more_room_is_made_ahead_than_is_told(folder: Path) -> None:
    written = 0
    with closing(Journal(folder, mapped=True)) as journal:
        for _ in range(8):
            large = answered()
            large.message = "x" * 100_000
            journal.append(encoded(large))
            written += len(frame(encoded(large)))
            (path,) = folder.iterdir()
            assert 0 <= path.stat().st_size - written <= 256 << 10


@pytest.mark.parametrize("bound", ["_HELD_RECORDS", "_HELD_BYTES"])
def test_what_is_held_is_bounded_and_the_oldest_goes_first(
    folder: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    journal = Journal(folder, mapped=False)
    records = [answered() for _ in range(10)]
    largest = max(len(frame(encoded(record))) for record in records)
    monkeypatch.setattr(journals, bound, 3 if bound == "_HELD_RECORDS" else 3 * largest)
    fd = fd_of(journal)
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
    os.dup2(broken, fd_of(journal))
    os.close(broken)
    journal.append(encoded(second))
    assert journal.held == 1
    journal.append(encoded(third))
    assert (journal.held, journal.degraded) == (0, None)
    assert sorted(ids(folder)) == sorted(one.request_id for one in (first, second, third))
    assert len(segments.listed(folder)) == 2
    journal.close()


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
