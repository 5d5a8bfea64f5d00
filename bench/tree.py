"""A process with all its descendants: what it has consumed, and how to end it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = 2


def _cpu_ns(pid: int) -> int:
    """CPU time of all threads of a process, ended ones too.

    The clock id is what clock_getcpuclockid(3) returns; unlike /proc it counts nanoseconds.
    """
    try:
        return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED)
    except OSError:
        return 0


def _reaped_ns(pid: int) -> int:
    """CPU time of a process' children that have ended and been waited for."""
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    fields = stat.rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) * 1_000_000_000 // _TICKS


def _pss_kb(pid: int) -> int:
    """Proportional set size: pages shared between processes are counted once in a sum."""
    try:
        rollup = (_PROC / str(pid) / "smaps_rollup").read_text()
    except OSError:
        return 0
    line = next((line for line in rollup.splitlines() if line.startswith("Pss:")), "Pss: 0 kB")
    return int(line.split()[1])


class Tree:
    """The process tree below a child that this program has started."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def pids(self) -> Iterator[int]:
        """The process and its descendants, as they are now."""
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            yield pid
            with contextlib.suppress(OSError):
                for task in (_PROC / str(pid) / "task").iterdir():
                    waiting += map(int, (task / "children").read_text().split())

    def cpu_ns(self) -> int:
        """Nanoseconds of CPU, user and system, that the tree has used since its start."""
        return sum(_cpu_ns(pid) + _reaped_ns(pid) for pid in self.pids())

    def pss_kb(self) -> int:
        """Kilobytes of memory that the tree holds."""
        return sum(map(_pss_kb, self.pids()))

    def settle(self, quiet: float = 0.6, limit: float = 10.0) -> None:
        """Wait until the tree has used less than 2 % of a core for `quiet` seconds.

        Gives up after `limit` seconds.
        """
        end = time.monotonic() + limit
        while time.monotonic() < end:
            before = self.cpu_ns()
            time.sleep(quiet)
            if self.cpu_ns() - before < quiet * 20_000_000:
                return

    def stop(self, patience: float = 8.0) -> None:
        """End the tree: politely first, by force after `patience` seconds."""
        pids = list(self.pids())
        self.process.terminate()
        try:
            self.process.wait(patience)
        except subprocess.TimeoutExpired:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                with contextlib.suppress(OSError):
                    pipe.close()
