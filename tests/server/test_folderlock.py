"""Who holds a data folder, and when that ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from callgate.server.folderlock import FolderLock

HOLDER = """
import os, sys, time
from pathlib import Path
from callgate.server.folderlock import FolderLock
assert FolderLock(Path(sys.argv[1])).take("the first\\nof two") is None
if os.fork() == 0:
    time.sleep(60)  # a child that outlives it holds nothing
print(flush=True)
sys.stdin.read()
os._exit(1)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the folder until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "data")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield process
        os.killpg(process.pid, signal.SIGKILL)  # its child lives yet


def test_who_comes_second_is_told_of_the_first_and_follows_it(
    holder: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    with closing(FolderLock(tmp_path / "data")) as lock:
        assert lock.take("the second") == "the first\nof two"
        assert lock.take("the second") == "the first\nof two"
        holder.kill()
        holder.wait(10)
        lock.take_again()
        assert (tmp_path / "data" / "gateway.lock").read_text() == "the second\n"


def test_a_folder_that_nobody_holds_is_made_and_taken(tmp_path: Path) -> None:
    with closing(FolderLock(tmp_path / "a" / "data")) as lock:
        assert lock.take("the first") is None
    path = tmp_path / "a" / "data"
    assert path.stat().st_mode & 0o077 == 0
    assert (path / "gateway.lock").stat().st_mode & 0o077 == 0


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="Not a directory"):
        FolderLock(tmp_path / "file" / "data")
