"""The supervisor's way with processes that are not ready yet, and with those that have ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from callgate.server.supervisor import manner
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


FORKING = """
import errno, os, signal
from callgate.server import supervisor
from callgate.server.supervisor import Role, Supervisor

supervisor._CRASH_PAUSE = supervisor._TICK = 0.05
fork, failures = os.fork, iter([0, 1, 1, 0, 1, 0, 0, 1])

def scarce():
    if next(failures, 0):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
    return fork()

def work(ready):
    ready()
    print(os.getpid(), flush=True)
    signal.pause()

os.fork = scarce
roles = [Role("worker 1", work), Role("worker 2", work)]
Supervisor(roles[:1], grace=10, reload=lambda: list(roles)).run()
"""


def test_a_machine_without_room_for_a_process_is_waited_for() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", FORKING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            os.kill(int(process.stdout.readline()), signal.SIGKILL)
            again = int(process.stdout.readline())  # at the third attempt
            process.send_signal(signal.SIGHUP)
            told = iter(process.stderr.readline, "")
            assert any("is refused: worker 1 does not start" in line for line in told)
            process.send_signal(signal.SIGHUP)
            new = {int(process.stdout.readline()) for _ in range(2)}  # the second late
            until(lambda: not Path(f"/proc/{again}").exists())
            assert all(Path(f"/proc/{pid}").exists() for pid in new)
            process.terminate()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (1, "ended with status 1"),
        (-signal.SIGKILL, "was killed by SIGKILL, by hand or by the kernel for lack of memory"),
        (
            -signal.SIGBUS,
            "was killed by SIGBUS: a mapped file was made shorter, or its disk failed",
        ),
        (-signal.SIGSEGV, "was killed by SIGSEGV"),
        (-40, "was killed by signal 40"),
    ],
)
def test_how_a_process_ended_is_told_in_words(code: int, told: str) -> None:
    assert manner(code) == told
