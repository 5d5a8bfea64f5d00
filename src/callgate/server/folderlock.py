"""A gateway's hold on its data folder: one supervisor at a time, and others are told which."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

_NAME = "gateway.lock"
_MAX_TOLD = 500
_HELD = (BlockingIOError, PermissionError)


def told_in(folder: Path) -> str:
    """The words of who holds a data folder's lock; empty where nobody does, or none were left.

    For other processes than the one that holds it: what is closed here would end its lock.
    https://man7.org/linux/man-pages/man2/F_SETLK.2const.html
    """
    try:
        with (folder / _NAME).open("rb") as file:
            if not _held_by_another(file.fileno()):
                return ""  # what stands there is of one that has ended
            return file.read(_MAX_TOLD).decode("utf-8", "replace").strip()
    except OSError:
        return ""


def _held_by_another(file: int) -> bool:
    try:
        os.lockf(file, os.F_TEST, 0)  # takes nothing: a gateway may be starting
    except _HELD:
        return True
    return False


class FolderLock:
    """A lock on a data folder, which is made if need be. Raises OSError where it cannot be written.

    It belongs to the process, not to its children, and the kernel takes it back when that is gone,
    however it ends. Hence no two of them in one process.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(folder / _NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._words = ""
        self._held = False

    def take(self, words: str) -> str | None:
        """Take the lock, with words for others on who has it; None, or the words of who has it."""
        self._words = words
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except _HELD:
            told = os.pread(self._file, _MAX_TOLD, 0).decode("utf-8", "replace").strip()
            return told or "another process"
        except OSError:
            return None  # a file system without locks: nobody can be told anything
        self._held = True
        with suppress(OSError):  # a full disk: whoever asks learns less
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{words}\n".encode(), 0)
        return None

    def take_again(self) -> None:
        """Take it, should whoever had it be gone by now; nothing where it is held already."""
        if not self._held:
            self.take(self._words)

    def close(self) -> None:
        """Let go of it."""
        os.close(self._file)
