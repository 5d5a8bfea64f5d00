"""A process of the supervisor's: what it is to do, and the pipe by which it shows that it lives."""

from __future__ import annotations

import faulthandler
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from callgate.server.liveness import Liveness, Step

TELL = signal.SIGUSR1
"""Has a child write down what its threads are doing, even while all of them hang."""

_ALIVE, _BUSY = b"\0", b"\1"  # neither is in what `faulthandler` writes, which is ASCII
_MOST = 1 << 16
_HINTS = {
    "SIGKILL": ", by hand or by the kernel for lack of memory",
    "SIGBUS": ": a mapped file was made shorter, or its disk failed",
}
# https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
_STATES = {
    "R": "running",
    "S": "waiting",
    "D": "waiting for a disk or a file server",
    "T": "stopped by a signal",
    "t": "stopped by a debugger",
}


class Signs:
    """How a process shows its supervisor that it lives. Costs one system call, which never waits.

    `said` is the pipe's end to write to.
    """

    def __init__(self, said: int) -> None:
        os.set_blocking(said, False)
        # Files, lines and names of functions: nothing of what they work on.
        faulthandler.register(TELL, file=said, all_threads=True)
        self._said = said

    def alive(self) -> None:
        """It does its work. Said first when that begins, and again and again, well within the
        role's `patience`.
        """
        self._say(_ALIVE)

    def busy(self) -> None:
        """What follows may take any time: until `alive` is said again, nothing is expected."""
        self._say(_BUSY)

    def _say(self, sign: bytes) -> None:
        # The pipe is full where nobody has listened for hours, or broken where nobody is left.
        with suppress(OSError):
            os.write(self._said, sign)


class Role(NamedTuple):
    """Work for one process. `run` is given what it shows its life by, and returns when it was told
    to stop. `ends_last`: it ends after the others; `retires`: it knows how to. Without a sign of
    life for `patience` seconds it is hung; 0: it never is.
    """

    name: str
    run: Callable[[Signs], None]
    ends_last: bool = False
    retires: bool = False
    patience: float = 0.0


class Child:
    """A running process: `retiring` once it was told to end, `doomed` once it was killed as hung,
    `gone` once it has ended. `said` is the pipe's end to read from.
    """

    def __init__(self, role: Role, pid: int, said: int) -> None:
        os.set_blocking(said, False)
        self.role = role
        self.pid = pid
        self.retiring = self.doomed = self.gone = False
        self._said = said
        self._ready = self._busy = self._heard = False
        self._told = b""
        self._liveness = Liveness(role.patience)

    def is_ready(self) -> bool:
        """Whether it does its work by now."""
        self._listen()
        return self._ready

    def look(self, now: float) -> Step:
        """What is due with it. Who is not ready yet is not expected to show life."""
        self._listen()
        heard, self._heard = self._heard, False
        step = self._liveness.look(now, heard=heard or self._busy or not self._ready)
        if step is Step.ASK:
            self._told = b""
        return step

    def doings(self) -> dict[str, object]:
        """What it does, for the log: its state, and where it is in the code if it could tell."""
        doings: dict[str, object] = {"pid": self.pid}
        with suppress(OSError):  # no /proc
            stat = Path(f"/proc/{self.pid}/stat").read_text("ascii", "replace")
            letter = stat.rpartition(") ")[2][:1]  # the name before it may hold anything
            doings["state"] = _STATES.get(letter, letter)
        if self._told:
            doings["stacks"] = self._told.decode("ascii", "replace")
        return doings

    def kill(self, number: signal.Signals) -> None:
        """Send it a signal, if it is still there."""
        with suppress(ProcessLookupError):
            if not self.gone:
                os.kill(self.pid, number)

    def forget(self) -> None:
        """Note that it has ended."""
        self.gone = True
        os.close(self._said)

    def _listen(self) -> None:
        try:
            said = os.read(self._said, _MOST)
        except BlockingIOError:
            return
        last = max(said.rfind(_ALIVE), said.rfind(_BUSY))
        if last >= 0:
            self._ready = self._heard = True
            self._busy = said[last : last + 1] == _BUSY
        told = said.replace(_ALIVE, b"").replace(_BUSY, b"")
        self._told = (self._told + told)[:_MOST]


def manner(code: int) -> str:
    """How a process ended, by its exit code; a signal's is negative, as `subprocess` has it."""
    if code >= 0:
        return f"ended with status {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # of the real-time signals, only two have names
        name = f"signal {-code}"
    return f"was killed by {name}{_HINTS.get(name, '')}"
