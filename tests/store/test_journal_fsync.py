"""When the disk has to have a record: `journal.fsync`."""

from __future__ import annotations

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
