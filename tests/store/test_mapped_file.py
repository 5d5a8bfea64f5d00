"""The file of the shared counters: made, kept, replaced and moved aside."""

from __future__ import annotations

import asyncio
import os
import stat
import struct
from pathlib import Path
from typing import Any

import pytest

from callgate.core.quota import Quota
from callgate.store.base import StoreError
from callgate.store.counters.mapped import MappedCounters

NOW = 1_800_000_000.0


def reserve(counters: MappedCounters, *arguments: Any) -> Quota:
    return asyncio.run(counters.reserve(*arguments))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "limits.table"


def test_the_file_is_for_its_owner_alone(path: Path) -> None:
    MappedCounters(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_an_existing_file_keeps_its_number_of_slots(path: Path) -> None:
    MappedCounters(path, slots=16).close()
    size = path.stat().st_size
    counters = MappedCounters(path, slots=99)
    assert reserve(counters, "acme", "m", 3, NOW).admitted
    counters.close()
    assert path.stat().st_size == size


@pytest.mark.parametrize("left", [0, 8, 4000])
def test_a_file_that_a_killed_process_left_unfinished_is_finished(path: Path, left: int) -> None:
    path.parent.mkdir()
    path.write_bytes(bytes(left))
    counters = MappedCounters(path, slots=256)
    assert reserve(counters, "acme", "m", 3, NOW).admitted
    counters.close()


@pytest.mark.parametrize(("at", "word"), [(8, 99), (16, 17), (16, 15), (16, 0)])
def test_a_table_of_another_layout_or_size_is_replaced_under_who_still_uses_it(
    path: Path, at: int, word: int, caplog: pytest.LogCaptureFixture
) -> None:
    old = MappedCounters(path, slots=16)
    with path.open("r+b") as file:
        file.seek(at)
        file.write(struct.pack("=Q", word))
    new = MappedCounters(path, slots=16)
    assert "windows start again: their table has another layout or size" in caplog.messages
    assert [reserve(new, "acme", "m", 1, NOW).admitted for _ in range(2)] == [True, False]
    assert reserve(old, "acme", "m", 1, NOW).admitted
    old.close()
    new.close()
    assert [one.name for one in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("cut", [1, 1000])
def test_a_table_that_was_cut_is_replaced_by_a_whole_one(path: Path, cut: int) -> None:
    MappedCounters(path, slots=64).close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.truncate(size - cut)
    counters = MappedCounters(path, slots=64)
    assert path.stat().st_size == size
    assert all(reserve(counters, f"a{number}", "m", 1, NOW).admitted for number in range(40))
    counters.close()


def test_a_disk_with_room_for_a_part_of_the_table_is_told(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where that showed only at a store into memory, it would end the process by SIGBUS."""
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:4096], at))
    with pytest.raises(StoreError, match=r"No space left on device; .* with room on its disk"):
        MappedCounters(path)
    monkeypatch.undo()
    counters = MappedCounters(path)
    assert reserve(counters, "acme", "m", 1, NOW).admitted
    counters.close()


@pytest.mark.parametrize("content", [b"precious", b"precious" * 1000, bytes(10_000) + b"x"])
def test_a_table_that_is_damaged_is_moved_aside_and_told(
    path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    counters = MappedCounters(path, slots=16)
    assert [reserve(counters, "acme", "m", 1, NOW).admitted for _ in range(2)] == [True, False]
    counters.close()
    assert path.with_name("limits.table.damaged").read_bytes() == content
    assert [one.message for one in caplog.records] == [
        "windows start again: their table is damaged"
    ]


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="data_dir"):
        MappedCounters(tmp_path / "file" / "limits.table")
