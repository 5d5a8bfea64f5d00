"""When the disk has to have a record: `journal.fsync`."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from pathlib import Path

import pytest

from callgate.store.journal import segments
from callgate.store.journal.framing import frame
from callgate.store.journal.journal import Journal


def test_the_disk_is_made_to_have_records_when_that_is_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[int] = []
    real = os.fdatasync

    def fdatasync(fd: int) -> None:
        synced.append(segments.written(fd, 0))
        real(fd)

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    line = len(frame(b'{"a":1}'))
    for fsync, before, after in (
        ("never", [], []),
        ("second", [], [line]),
        ("always", [line], [line]),
    ):
        synced.clear()
        with closing(Journal(tmp_path / fsync, fsync=fsync)) as journal:  # type: ignore[arg-type]
            journal.append(b'{"a":1}')
            assert synced == before
            if fsync == "second":
                journal.sync()
                journal.sync()
            assert synced == after
            journal.append(b'{"a":1}')
        assert synced[-1:] == ([] if fsync == "never" else [2 * line])


def test_a_segment_that_ends_is_synced_with_its_end(tmp_path: Path) -> None:
    with closing(Journal(tmp_path, segment_bytes=1, fsync="second")) as journal:
        journal.append(b'{"a":1}')
        journal.sync()  # there is nothing left to sync, and no descriptor to do it by
        assert journal.degraded is None


def refuse(fd: int) -> None:
    raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("most", [16 << 20, 100])
def test_what_the_disk_refuses_is_told_and_written_again_until_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    lines = [frame(b'{"a":%d}' % number) for number in range(6)]
    with closing(Journal(tmp_path, most, "second")) as journal:
        journal.append(b'{"a":0}')
        journal.sync()
        (first,) = segments.listed(tmp_path)
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", refuse)
            for number in range(1, 5):
                journal.append(b'{"a":%d}' % number)
                journal.sync()
                assert "Input/output error" in str(journal.degraded)
                for _ in range(2):
                    journal.look()
                assert first.read_bytes() == lines[0]
                (second,) = {*segments.listed(tmp_path)} - {first}
                assert second.read_bytes().rstrip(b"\0") == b"".join(lines[1 : number + 1])
        journal.append(b'{"a":5}')
        assert journal.degraded is not None
        journal.look()
        journal.sync()
        assert (journal.degraded, journal.lost) == (None, 0)
    (second,) = {*segments.listed(tmp_path)} - {first}
    assert second.read_bytes() == b"".join(lines[1:])


def test_what_the_disk_refuses_and_is_shipped_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Journal(tmp_path, fsync="second")) as journal:
        journal.append(b'{"a":1}')
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", refuse)
            journal.sync()
            (path,) = segments.listed(tmp_path)
            segments.set_offset(path, len(frame(b'{"a":1}')))
            journal.look()
        assert journal.degraded is None
        assert segments.listed(tmp_path) == [path]
        with path.open("rb") as file:
            assert segments.finished(file.fileno())


def test_what_the_disk_refuses_is_not_taken_for_written_as_the_next_sync_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [frame(b'{"a":%d}' % number) for number in range(2)]
    with closing(Journal(tmp_path, fsync="second")) as journal:
        (first,) = segments.listed(tmp_path)
        journal.append(b'{"a":0}')
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", refuse)
            journal.sync()
        journal.append(b'{"a":1}')
        journal.sync()  # before anybody has looked
        assert journal.degraded is not None
        journal.look()
        (second,) = segments.listed(tmp_path)
        assert second != first
        assert second.read_bytes().rstrip(b"\0") == b"".join(lines)
        journal.sync()
        assert journal.degraded is None


def test_what_the_disk_refuses_and_cannot_be_read_either_is_left_to_the_shipper(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unread(fd: int, size: int, offset: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with closing(Journal(tmp_path, fsync="second")) as journal:
        journal.append(b'{"a":0}')
        with monkeypatch.context() as broken:
            broken.setattr(os, "fdatasync", refuse)
            broken.setattr(os, "pread", unread)
            journal.sync()
            journal.look()
        (path,) = segments.listed(tmp_path)
        assert path.read_bytes() == frame(b'{"a":0}')
        with path.open("rb") as file:
            assert segments.finished(file.fileno())
