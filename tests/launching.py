"""`callgate` in processes forked from one that has imported it: each start costs a second less.

What runs is the program itself, from its command line on, with an environment, a folder and pipes
of its own. A test of the very start has a fresh Python run it instead.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

_IMPORTED = (
    "alembic.command",
    "callgate.__main__",
    "callgate.cli.serve",
    "callgate.server.clerk",
    "callgate.server.worker",
    "callgate.store.sqlite",
    "genai_prices",
)
_starter = multiprocessing.get_context("forkserver")
_starter.set_forkserver_preload([*_IMPORTED])


class Launched:
    """A process of `callgate`, with as much of `subprocess.Popen` as tests use."""

    def __init__(self, arguments: list[str], cwd: Path, env: dict[str, str]) -> None:
        self.args = arguments
        out, their_out = _starter.Pipe(duplex=False)
        err, their_err = _starter.Pipe(duplex=False)
        self._process = _starter.Process(
            target=_run, args=(arguments, str(cwd), env, their_out, their_err), daemon=True
        )
        with out, err, their_out, their_err:
            self._process.start()
            self.stdout = os.fdopen(os.dup(out.fileno()), encoding="utf-8")
            self.stderr = os.fdopen(os.dup(err.fileno()), encoding="utf-8")
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(
    arguments: list[str], cwd: str, env: dict[str, str], out: Connection, err: Connection
) -> None:
    with out, err:
        os.dup2(out.fileno(), 1)
        os.dup2(err.fileno(), 2)
    # Those that Python made were made for the files of another process.
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(
        2, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False
    )
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["callgate", *arguments]
    gc.freeze()  # what is imported stays, and is no work for the collector of each

    from callgate.__main__ import main

    main()
