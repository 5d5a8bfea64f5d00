"""How the clerk shows its supervisor that it lives."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from patience import PATIENCE

# Its standard output stands for the pipe.
PROGRAM = """
import os, sys, time
from pathlib import Path
from callgate.server.child import Signs
from callgate.server.clerk import Books, keep_books
from callgate.server.retention import Calendar, steady

folder = Path(sys.argv[1])
store, calendar = f"sqlite:///{folder / 'callgate.db'}", Calendar(time.time(), steady())
books = Books(store, folder, 30, folder, 7, 1 << 30, None, None, calendar)
keep_books(books, os.getppid(), Signs(1))
"""


def test_it_shows_life_and_says_so_before_it_deletes_what_may_take_long(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            said = b""
            while re.fullmatch(b"\0+\1\0\0+", said) is None:  # and lives again afterwards
                more = os.read(process.stdout.fileno(), 1)
                assert more, said
                said += more
                assert len(said) < 100
            process.send_signal(signal.SIGTERM)
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
