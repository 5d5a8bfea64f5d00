"""Another process that holds a data folder, as a gateway does."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_HOLDER = """
import fcntl, sys
file = open(sys.argv[1], "w", encoding="utf-8")
fcntl.lockf(file, fcntl.LOCK_EX)
file.write(sys.argv[2])
file.flush()
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def held(folder: Path, said: str) -> Iterator[None]:
    """The folder is held, with these words on who does."""
    command = [sys.executable, "-I", "-S", "-c", _HOLDER, str(folder / "gateway.lock"), said]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        yield  # and when its standard input is closed, it ends
