"""The supervisor's way with processes that are not ready yet."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from gateway import until
from patience import PATIENCE

PROGRAM = """
import os, signal, time
from callgate.server.supervisor import Role, Supervisor

def slow(ready):
    print(os.getpid(), flush=True)
    time.sleep(600)

def quick(ready):
    ready()
    print(os.getpid(), flush=True)
    signal.pause()

def new():
    return [Role("worker 1", quick, retires=True)]

Supervisor([Role("worker 1", slow, retires=True)], grace=10, reload=new).run()
"""


def test_a_worker_that_is_not_ready_yet_does_not_outlive_a_change_of_configuration() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            old = Path(f"/proc/{int(process.stdout.readline())}")
            process.send_signal(signal.SIGHUP)
            new = Path(f"/proc/{int(process.stdout.readline())}")
            until(lambda: not old.exists())
            assert new.exists()
            process.terminate()
            assert process.wait(PATIENCE) == 0
            assert not new.exists()
        finally:
            process.kill()


FAILING = """
import logging, sys
from callgate.server.supervisor import Role, Supervisor
from callgate.store.base import StoreError

logging.basicConfig(format="%(message)s: %(detail)s")

def cannot(ready):
    raise StoreError("the disk is gone; bring it back")

Supervisor([Role("worker 1", cannot)], grace=10, reload=list).run()
"""


def test_what_keeps_a_process_from_starting_is_told_in_a_line() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FAILING], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        try:
            told = process.stderr.readline()
            assert told == "worker 1 cannot start: the disk is gone; bring it back\n"
        finally:
            process.kill()
