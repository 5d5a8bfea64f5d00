"""A real gateway in a folder that goes with it: what a demo needs."""

from __future__ import annotations

import json
import re
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any

from callgate.cli.options import Failure

_COMMAND = (sys.executable, "-m", "callgate")
_READY = re.compile(rb"http://127\.0\.0\.1:(\d+)")
_START_LIMIT = 120.0  # seconds; loading the model is most of it
_STOP_LIMIT = 10.0
_REPLY_LIMIT = 120.0
_KEPT = 2000  # characters of the log that a failure tells
_CONFIG = """\
data_dir = "data"
[server]
drain = 5
[providers.local]
dialect = "local"
weights = {weights}
"""


class Throwaway:
    """A running gateway: its `url`, and one key of it."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self._folder = folder
        self._file = folder / "callgate.toml"
        self._log = folder / "gateway.log"
        # JSON's strings are TOML's basic strings too.
        self._file.write_text(_CONFIG.format(weights=json.dumps(str(weights.resolve()))))
        self.port = 0
        self._key = ""

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make a key and start; stop at the end. Raises Failure."""
        made = self.command("keys", "create", "--name", "demo", "--json", capture=True)
        self._key = json.loads(made)["key"]
        with self._log.open("wb") as log:
            gateway = subprocess.Popen(  # noqa: S603 - no shell, every argument our own
                [*_COMMAND, "serve", "--config", str(self._file), "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
            )
        with gateway:
            try:
                self.port = self._wait_until_ready(gateway)
                yield
            finally:
                gateway.terminate()
                try:
                    gateway.wait(_STOP_LIMIT)
                except subprocess.TimeoutExpired:
                    gateway.kill()

    @contextmanager
    def chat(self, body: dict[str, Any]) -> Iterator[HTTPResponse]:
        """The response to a chat completion request, to be read. Raises Failure."""
        headers = {"Authorization": self._key, "Content-Type": "application/json"}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=_REPLY_LIMIT)) as connection:
            try:
                connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
                with connection.getresponse() as response:
                    yield response
            except (OSError, HTTPException, ValueError) as error:
                raise self.failure(f"the gateway did not answer as it should: {error}") from error

    def command(self, *arguments: str, capture: bool = False) -> str:
        """Run a `callgate` command on this gateway's data; what it printed, if captured."""
        sys.stdout.flush()
        done = subprocess.run(  # noqa: S603 - no shell, every argument our own
            [*_COMMAND, *arguments, "--config", str(self._file)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if capture else None,
            stderr=subprocess.PIPE if capture else None,  # notes are for those who typed it
            check=False,
            timeout=_REPLY_LIMIT,
        )
        if done.returncode:
            sys.stderr.write((done.stderr or b"").decode(errors="replace"))
            raise self.failure(f"`callgate {' '.join(arguments)}` failed")
        return done.stdout.decode() if capture else ""

    def failure(self, message: str) -> Failure:
        """A failure with the end of the gateway's own log."""
        log = self._log.read_text(errors="replace")[-_KEPT:] if self._log.exists() else ""
        told = f"{message}\nThe gateway's log ends with:\n{log.strip()}" if log.strip() else message
        return Failure(told, "Run `callgate serve` to see more.")

    def _wait_until_ready(self, gateway: subprocess.Popen[bytes]) -> int:
        assert gateway.stdout is not None
        deadline = time.monotonic() + _START_LIMIT
        said = b""
        with selectors.DefaultSelector() as selector:
            selector.register(gateway.stdout, selectors.EVENT_READ)
            while selector.select(max(0.0, deadline - time.monotonic())):
                chunk = gateway.stdout.read(_KEPT)
                if not chunk:
                    raise self.failure("the gateway did not start")
                said = (said + chunk)[-_KEPT:]
                if b"\n" in said and (address := _READY.search(said)):
                    return int(address[1])
        raise self.failure(f"the gateway did not start within {_START_LIMIT:.0f} s")


@contextmanager
def throwaway(weights: Path) -> Iterator[Throwaway]:
    """A gateway with the model of `weights`, running; raises Failure."""
    with tempfile.TemporaryDirectory(prefix="callgate-demo-") as folder:
        gateway = Throwaway(Path(folder), weights)
        with gateway.running():
            yield gateway
