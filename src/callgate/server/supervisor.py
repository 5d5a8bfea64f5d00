"""The parent of a gateway's processes: starts them, replaces the fallen, ends them in order.

It has little to fall over: no event loop, no thread, no store. Roles are forked, hence they share
the parent's imports and its listening socket.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence

from callgate.server.child import TELL, Child, Role, Signs, manner
from callgate.server.liveness import Step
from callgate.server.rollout import Rollout
from callgate.server.signals import wait_for
from callgate.store.base import StoreError

RETIRE = signal.SIGUSR2
"""Tells a worker to take no more connections and to end once its callers are served."""

_TICK, _BRISK_TICK = 0.5, 0.02
_CRASH_PAUSE = 1.0
_STOPPERS = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("callgate.supervisor")


class ReloadError(Exception):
    """A new set of roles cannot be had; the message says why, for the operator's log."""


class Supervisor:
    """Runs roles, each in a process of its own.

    `reload` gives the roles of a new configuration on SIGHUP, or raises ReloadError; `tick` is
    called about twice a second, `at_stop` once, when the end has begun.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        grace: float,
        reload: Callable[[], Sequence[Role]] | None = None,
        tick: Callable[[], None] = lambda: None,
        at_stop: Callable[[], None] = lambda: None,
    ) -> None:
        self._roles = {role.name: role for role in roles}
        self._grace = grace
        self._reload = reload
        self._tick = tick
        self._at_stop = at_stop
        self._children: dict[int, Child] = {}
        self._started: dict[str, float] = {}
        self._rollout: Rollout | None = None
        self._asked = False

    def run(self) -> int:
        """Start everything and stay until SIGTERM or SIGINT; gives the exit code.

        A role that falls is restarted, at most once a second each. SIGHUP exchanges the roles
        for those of the new configuration, one by one. On a signal to stop, the roles are told so
        and waited for, `grace` seconds at most.
        """
        signals = (*_STOPPERS, signal.SIGCHLD, signal.SIGHUP)
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        for role in self._roles.values():
            self._try_to_start(role)
        while True:
            got = wait_for(signals, _BRISK_TICK if self._rollout else _TICK)
            if got in _STOPPERS:
                break
            if got == signal.SIGHUP:
                self._asked = True
            self._end_hung()
            self._replace_fallen()
            self._change()
            self._tick()
        return self._stop()

    def _try_to_start(self, role: Role) -> Child | None:
        """Start a role, unless the machine has no process, memory or file left for it."""
        try:
            return self._start(role)
        except OSError as error:
            _log.error("%s cannot be started", role.name, extra={"detail": error.strerror})
            return None

    def _start(self, role: Role) -> Child:
        """Raises OSError where there can be no process."""
        sys.stdout.flush()
        sys.stderr.flush()
        self._started[role.name] = time.monotonic()
        heard, said = os.pipe()
        try:
            pid = os.fork()
        except OSError:
            os.close(heard)
            os.close(said)
            raise
        if pid:
            os.close(said)
            child = self._children[pid] = Child(role, pid, heard)
            return child
        code = 1
        try:
            os.close(heard)
            for number in _STOPPERS:
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGHUP, RETIRE):  # lest a closed terminal end what it began
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            role.run(Signs(said))
            code = 0
        except KeyboardInterrupt:
            code = 0
        except StoreError as error:  # says what is wrong and what to do
            _log.critical("%s cannot start", role.name, extra={"detail": str(error)})
        except BaseException:  # nothing of a child may run on in the parent's code
            _log.critical("%s fell", role.name, exc_info=True)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _reap(self) -> list[tuple[Child, int]]:
        ended = []
        while self._children:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            child = self._children.pop(pid, None)
            if child is not None:
                child.forget()
                ended.append((child, os.waitstatus_to_exitcode(status)))
        return ended

    def _end_hung(self) -> None:
        """Kill who has shown no life for too long, once it could tell what it does."""
        now = time.monotonic()
        for child in self._children.values():
            name, patience = child.role.name, child.role.patience
            match child.look(now):
                case Step.ASK:
                    child.kill(TELL)
                case Step.BACK:
                    told = "%s showed no life for %g s, but does now"
                    _log.warning(told, name, patience, extra=child.doings())
                case Step.END:
                    told = "%s hangs: it has shown no life for %g s, and is killed"
                    _log.error(told, name, patience, extra=child.doings())
                    child.doomed = True
                    child.kill(signal.SIGKILL)
                case Step.STUCK:
                    told = "%s cannot be killed yet, and is replaced when it is gone"
                    _log.error(told, name, extra=child.doings())

    def _replace_fallen(self) -> None:
        for child, code in self._reap():
            if not child.retiring and not child.doomed:
                _log.error("%s %s", child.role.name, manner(code))
        running = {child.role for child in self._children.values() if not child.retiring}
        for role in self._roles.values():
            if role not in running and time.monotonic() - self._started[role.name] >= _CRASH_PAUSE:
                _log.error("restarting %s", role.name)
                self._try_to_start(role)

    # --- a new configuration --------------------------------------------------------------------

    def _change(self) -> None:
        """Take the next step of a change of roles, if there is one to take."""
        rollout, now = self._rollout, time.monotonic()
        if rollout is None:
            if self._asked and self._reload is not None:
                self._asked = False
                self._rollout = self._begin(self._reload)
            return
        child = rollout.child
        if child is None:
            self._go_on(rollout, now)
        elif not child.gone and child.is_ready():
            rollout.proven = True
            self._exchange(rollout, child)
        elif child.gone or rollout.overdue(now):
            self._fail(rollout, child)

    def _go_on(self, rollout: Rollout, now: float) -> None:
        role = rollout.role
        if role is None:
            self._finish(rollout)
        elif now >= rollout.resumes:
            child = self._try_to_start(role)
            if child is not None:
                rollout.begin(child, now)
            elif rollout.proven:
                rollout.resumes = now + _CRASH_PAUSE
            else:
                self._refuse(role)

    def _begin(self, reload: Callable[[], Sequence[Role]]) -> Rollout | None:
        try:
            roles = reload()
        except ReloadError as refusal:
            _log.error("the new configuration is refused: %s", refusal)
        except Exception:  # a mistake in a file must not end the gateway
            _log.exception("the new configuration is refused: reading it failed")
        else:
            return Rollout(roles)
        return None

    def _exchange(self, rollout: Rollout, child: Child) -> None:
        """The new process stands: its role counts from now on, and the old one may end."""
        role = child.role
        self._roles[role.name] = role
        rollout.child = None
        for other in self._children.values():
            if other.role.name == role.name and other is not child:
                self._retire(other)

    def _fail(self, rollout: Rollout, child: Child) -> None:
        child.retiring = True
        child.kill(signal.SIGKILL)
        if rollout.proven:
            self._exchange(rollout, child)  # it is restarted until it stands
        else:
            self._refuse(child.role)

    def _refuse(self, role: Role) -> None:
        self._rollout = None
        _log.error(
            "the new configuration is refused: %s does not start with it; the old one goes on",
            role.name,
        )

    def _finish(self, rollout: Rollout) -> None:
        for name in [name for name in self._roles if name not in rollout.names]:
            del self._roles[name]
        for child in self._children.values():
            if child.role.name not in rollout.names:
                self._retire(child)
        self._rollout = None
        _log.info("the new configuration is in effect")

    def _retire(self, child: Child) -> None:
        if not child.retiring:
            child.retiring = True
            # Who is not ready yet serves nobody, and would not hear `RETIRE`.
            retires = child.role.retires and child.is_ready()
            child.kill(RETIRE if retires else signal.SIGTERM)

    # --- the end --------------------------------------------------------------------------------

    def _stop(self) -> int:
        self._at_stop()
        deadline = time.monotonic() + self._grace
        for last in (False, True):
            for child in self._children.values():
                if child.role.ends_last is last:
                    child.kill(signal.SIGTERM)
            while any(child.role.ends_last is last for child in self._children.values()):
                left = deadline - time.monotonic() + (1.0 if last else 0.0)
                if left <= 0:
                    break
                wait_for((signal.SIGCHLD,), min(left, _TICK))
                self._reap()
        for child in self._children.values():
            child.kill(signal.SIGKILL)
        return 0


def orphaned(parent: int) -> bool:
    """Whether the supervisor `parent` of this process is gone."""
    return os.getppid() != parent
