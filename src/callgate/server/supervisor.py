"""The parent of a gateway's processes: starts them, replaces the fallen, ends them in order.

It does nothing else, so it has nothing to fall over: no event loop, no thread, no store. Roles are
forked, hence they share the parent's imports and its listening socket.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

_TICK = 0.5
_CRASH_PAUSE = 1.0
_STOPPERS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("callgate.supervisor")


class Role(NamedTuple):
    """Work for one process. `run` returns when it was told to stop; `first` roles end last."""

    name: str
    run: Callable[[], None]
    ends_last: bool = False


class Supervisor:
    """Runs roles, each in a process of its own.

    `tick` is called twice a second, `at_stop` once, when the end has begun.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        grace: float,
        tick: Callable[[], None] = lambda: None,
        at_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._roles = tuple(roles)
        self._grace = grace
        self._tick = tick
        self._at_stop = at_stop
        self._children: dict[int, Role] = {}
        self._started: dict[Role, float] = {}

    def run(self) -> int:
        """Start everything and stay until SIGTERM or SIGINT; gives the exit code.

        A role that falls is started anew, at most once a second each. On a signal the roles are
        told to stop and waited for, `grace` seconds at most.
        """
        signals = (*_STOPPERS, signal.SIGCHLD)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for role in self._roles:
            self._start(role)
        while True:
            got = signal.sigtimedwait(signals, _TICK)
            if got is not None and got.si_signo in _STOPPERS:
                break
            self._replace_fallen()
            self._tick()
        return self._stop()

    def _start(self, role: Role) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self._started[role] = time.monotonic()
        pid = os.fork()
        if pid:
            self._children[pid] = role
            return
        code = 1
        try:
            for number in _STOPPERS:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            role.run()
            code = 0
        except KeyboardInterrupt:
            code = 0
        except BaseException:  # nothing of a child may run on in the parent's code
            _log.critical("%s fell", role.name, exc_info=True)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> list[tuple[Role, int]]:
        ended = []
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            role = self._children.pop(pid, None)
            if role is not None:
                ended.append((role, os.waitstatus_to_exitcode(status)))
        return ended

    def _replace_fallen(self) -> None:
        for role, code in self._reap():
            _log.error("%s ended with %d, starting it anew", role.name, code)
        running = set(self._children.values())
        for role in self._roles:
            if role not in running and time.monotonic() - self._started[role] >= _CRASH_PAUSE:
                self._start(role)

    def _stop(self) -> int:
        self._at_stop()
        deadline = time.monotonic() + self._grace
        for last in (False, True):
            for pid, role in list(self._children.items()):
                if role.ends_last is last:
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGTERM)
            while any(role.ends_last is last for role in self._children.values()):
                left = deadline - time.monotonic() + (1.0 if last else 0.0)
                if left <= 0:
                    break
                signal.sigtimedwait((signal.SIGCHLD,), min(left, _TICK))
                self._reap()
        for pid in self._children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return 0


def orphaned(parent: int) -> bool:
    """Whether the supervisor `parent` of this process is gone."""
    return os.getppid() != parent
