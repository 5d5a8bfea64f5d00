"""Waiting for signals, also in a process that is stopped and continued."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from patience import PATIENCE

_WAITS = """
import signal
from callgate.server.signals import wait_for
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})
print("waiting", flush=True)
while (got := wait_for({signal.SIGTERM, signal.SIGUSR1}, 0.01)) is None:
    pass
print(got)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_who_is_stopped_for_longer_than_the_wait_has_got_no_signal(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", _WAITS], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"waiting\n"
        for _ in range(10):
            process.send_signal(signal.SIGSTOP)
            _until_stopped(process.pid)
            time.sleep(0.02)  # the time is up while it stands still
            process.send_signal(signal.SIGCONT)
        process.send_signal(number)
        assert process.communicate(timeout=PATIENCE)[0] == b"%d\n" % number


def _until_stopped(pid: int) -> None:
    end = time.monotonic() + PATIENCE
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        assert time.monotonic() < end
        os.sched_yield()
