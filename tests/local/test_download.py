"""How far a download is, told while pip moves its files about."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from callgate.local.download import _bytes_in


@pytest.fixture
def vanishing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder, one of whose own goes between being found and being looked into."""
    gone = tmp_path / "pip-unpack"
    gone.mkdir()
    (tmp_path / "part").write_bytes(b"123")
    scandir: Callable[[Any], Any] = os.scandir

    def after_it_has_gone(path: Any) -> Any:
        if path == str(gone):  # and not what removes it
            shutil.rmtree(gone, ignore_errors=True)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", after_it_has_gone)
    return tmp_path


def test_a_folder_that_goes_while_it_is_looked_into_is_passed_over(vanishing: Path) -> None:
    assert _bytes_in(vanishing) == 3
    assert not (vanishing / "pip-unpack").exists()


def test_the_largest_file_counts_wherever_it_lies(tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "pip.log").write_bytes(b"1")
    (tmp_path / "deep" / "deeper" / "part").write_bytes(b"12345")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    assert _bytes_in(tmp_path) == 5
