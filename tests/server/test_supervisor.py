"""The supervisor's way with processes that are not ready yet, and with those that have ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from gateway import children, until
from patience import PATIENCE

PROGRAM = """
import os, signal, time
from callgate.server.child import Role
from callgate.server.supervisor import Supervisor

def slow(signs):
    print(os.getpid(), flush=True)
    time.sleep(600)

def quick(signs):
    signs.alive()
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
from callgate.server.child import Role
from callgate.server.supervisor import Supervisor
from callgate.store.base import StoreError

logging.basicConfig(format="%(message)s: %(detail)s")

def cannot(signs):
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
from callgate.server.child import Role
from callgate.server.supervisor import Supervisor

supervisor._CRASH_PAUSE = supervisor._TICK = 0.05
fork, failures = os.fork, iter([0, 1, 1, 0, 1, 0, 0, 1])

def scarce():
    if next(failures, 0):
        raise OSError(errno.EAGAIN, "Resource temporarily unavailable")
    return fork()

def work(signs):
    signs.alive()
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


HANGING = """
import os, signal, threading
from callgate.server import logs, supervisor
from callgate.server.child import Role
from callgate.server.supervisor import Supervisor

supervisor._TICK = 0.05
logs.set_up(())

def never_comes():
    threading.Event().wait()

def work(signs):
    signal.alarm(60)  # should the supervisor be gone
    signs.alive()
    os.write(1, b"%d\\n" % os.getpid())
    never_comes()

roles = [Role(f"worker {number}", work, retires=True, patience=0.2) for number in (1, 2)]
Supervisor([*roles, Role("quiet", work)], grace=10).run()
"""


def test_those_that_hang_are_told_of_and_replaced_each_time() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HANGING], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            # Three to begin with, and twice those that are watched.
            pids = [int(process.stdout.readline()) for _ in range(7)]
            lines = [json.loads(process.stderr.readline()) for _ in range(8)]
            hung = [line for line in lines if "hangs" in line["message"]]
            process.terminate()
            process.stderr.close()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    assert len(set(pids)) == 7
    assert sorted(line["message"] for line in lines) == [
        *(f"restarting worker {number}" for number in (1, 1, 2, 2)),
        *(
            f"worker {number} hangs: it has shown no life for 0.2 s, and is killed"
            for number in (1, 1, 2, 2)
        ),
    ]
    assert {line["pid"] for line in hung} < set(pids)
    for line in hung:
        assert line["state"] == "waiting"
        assert "in never_comes" in line["stacks"]


RETIRING = """
import os, signal, threading
from callgate.server import supervisor
from callgate.server.child import Role
from callgate.server.supervisor import RETIRE, Supervisor

supervisor._TICK = 0.05

def work(signs):
    signal.signal(RETIRE, lambda *_: None)  # it never ends
    signal.alarm(60)  # should the supervisor be gone
    signs.alive()
    os.write(1, b"%d\\n" % os.getpid())
    while True:
        if os.path.exists("hang"):
            threading.Event().wait()
        signs.alive()
        supervisor.time.sleep(0.02)

def new():
    return [Role("worker 1", work, retires=True, patience=patience.pop())]

patience = [0.2, 600, 0.2]
Supervisor(new(), grace=10, reload=new).run()
"""


def test_a_worker_that_hangs_while_it_retires_is_killed_and_has_no_second_successor(
    tmp_path: Path,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", RETIRING],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            old = int(process.stdout.readline())
            process.send_signal(signal.SIGHUP)
            new = int(process.stdout.readline())
            (tmp_path / "hang").touch()  # both, of which one has ten minutes to do so
            until(lambda: not Path(f"/proc/{old}").exists())
            assert children(process.pid) == [new]
            process.terminate()
            told = process.stderr.read()
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    assert told == "worker 1 hangs: it has shown no life for 0.2 s, and is killed\n"
