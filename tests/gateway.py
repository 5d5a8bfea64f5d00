"""A gateway for tests: `callgate serve` in processes and on a port of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
from click.testing import CliRunner

from callgate.cli.main import callgate as command
from callgate.store.journal.unshipped import find
from callgate.store.opening import open_store
from launching import Launched
from patience import PATIENCE
from provider import ANSWERS, Provider
from recorded import captures_in, config_to_capture, differing

PROVIDER_KEY = "sk-planted-provider-key-000001"
_HANGS = ("endless", "held", "lagging", "mumbling", "paused", "silent")
_WAITS = "timeouts = {{ headers = {wait}, first_token = {wait}, silence = {wait} }}\n"
_LISTENS = re.compile(r"(http://[\d.]+:\d+)")

CONFIG = """
[support]
contact = "help@example.org"
[region_endpoints]
eu = "https://eu.example.org"
[server]
drain = 2
max_body_bytes = 3000000
[providers.test]
dialect = "openai"
base_url = "{base_url}"
api_key = "${{TEST_PROVIDER_KEY}}"
timeouts = {{ connect = 60, headers = 60, first_token = 60, silence = 60, total = 120 }}
{models}
[models."test-eu"]
provider = "test"
regions = ["eu"]
[models."counted"]
provider = "test"
upstream_model = "test-ok"
[models."counted-bad-key"]
provider = "test"
upstream_model = "test-bad-key"
[models."says-by-function"]
provider = "test"
upstream_model = "test-says"
rate_limit = 100000
supported_parameters = ["tools", "tool_choice"]
[models."says-when-told"]
provider = "test"
upstream_model = "test-says"
rate_limit = 100000
supported_parameters = ["temperature"]
"""


class Gateway:
    """A running gateway. `log` is what it has said on standard error so far, `replayed` which
    of its captures have been replayed.
    """

    def __init__(self, folder: Path, process: subprocess.Popen[str] | Launched) -> None:
        self.folder = folder
        self.process = process
        self.url = ""
        self.key = ""
        self.log = ""
        self.replayed: set[Path] = set()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `callgate` with this gateway's configuration, in this process: it is imported here.

        `callgate` below runs it in another.
        """
        runner = CliRunner(env={"TEST_PROVIDER_KEY": PROVIDER_KEY})
        with chdir(self.folder):
            done = runner.invoke(command, [*arguments, "--config", "callgate.toml"])
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    def new_key(self, *arguments: str) -> dict[str, Any]:
        made = self.run("keys", "create", "--name", "test", "--json", *arguments)
        assert made.returncode == 0, made.stderr
        return dict(json.loads(made.stdout))

    def client(self, key: str | None = None, **extra: Any) -> httpx.Client:
        """A client of it, which spares itself to read all the certificates of the world."""
        headers = {"authorization": key or self.key, **extra.pop("headers", {})}
        return httpx.Client(
            base_url=self.url, headers=headers, timeout=PATIENCE, verify=False, **extra
        )

    def record(self, request_id: str) -> dict[str, Any]:
        """What is on record, wherever it stands just now: in the journal or in the store."""
        folder = self.folder / "callgate-data"
        with closing(open_store(f"sqlite:///{folder / 'callgate.db'}")) as store:
            found = find(folder / "journal", request_id) or store.requests.get(request_id)
        assert found is not None, f"{request_id} is not on record"
        return dict(json.loads(msgspec.json.encode(found)))

    def differing(self) -> dict[str, list[str]]:
        """What comes out otherwise when its captures are replayed from the recorded bytes."""
        found = captures_in(self.folder)
        told = differing(found, self.replayed)
        self.replayed.update(found)
        return told

    def kill_everything(self) -> None:
        """`kill -9` to the supervisor and all its children."""
        pids = [self.process.pid, *children(self.process.pid)]
        for pid in pids:
            with suppress(ProcessLookupError):  # it has gone along with its supervisor
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


def until(check: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait for a condition that is bound to come true."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            found += map(int, (task / "children").read_text().split())
    return found


def environment() -> dict[str, str]:
    return {**os.environ, "TEST_PROVIDER_KEY": PROVIDER_KEY, "NO_PROXY": "127.0.0.1"}


def callgate(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, to its end."""
    given = [*arguments, "--config", "callgate.toml"]
    process = Launched(given, folder, environment())
    with process.stdout, process.stderr, ThreadPoolExecutor(1) as pool:
        errors = pool.submit(process.stderr.read)
        told = process.stdout.read()
        return subprocess.CompletedProcess(
            given, process.wait(2 * PATIENCE), told, errors.result(PATIENCE)
        )


def write_config(
    folder: Path, provider: Provider, *, limit: int = 100000, wait: float = 60, extra: str = ""
) -> None:
    """`wait` is how many seconds those of the provider's models are waited for that may hang.

    The others are given so long that no busy machine makes them late.
    """
    models = "".join(
        f'[models."test-{name}"]\nprovider = "test"\nrate_limit = {limit}\n'
        + (_WAITS.format(wait=wait) if name in _HANGS else "")
        for name in ANSWERS
    )
    text = CONFIG.format(base_url=provider.base_url, models=models)
    (folder / "callgate.toml").write_text(config_to_capture(text + extra))


def _afresh(folder: Path, arguments: list[str], files: int | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ([] if files is None else ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh"])
        + [sys.executable, "-m", "callgate", *arguments],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(
    folder: Path,
    *arguments: str,
    key: bool = True,
    afresh: bool = False,
    files: int | None = None,
) -> Iterator[Gateway]:
    """Start a gateway in a folder, with its callgate.toml if there is one; stop it at the end.

    `afresh`: by a Python of its own, as a stranger would, and not forked from one that has imported
    it. `files` is how many each of its processes may have open, where that is bounded. Whatever it
    has captured is replayed then, and has to give the same bytes again.
    """
    config = folder / "callgate.toml"
    if config.is_file():
        config.write_text(config_to_capture(config.read_text()))
    told = ["serve", "--port", "0", *(["--fresh-key"] if key else []), *arguments]
    process = (
        _afresh(folder, told, files)
        if afresh or files is not None
        else Launched(told, folder, environment())
    )
    gateway = Gateway(folder, process)
    assert process.stdout is not None
    assert process.stderr is not None

    def follow() -> None:
        for line in process.stderr or ():
            gateway.log += line

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        line = process.stdout.readline()
        found = _LISTENS.search(line)
        assert found, f"the gateway did not start: {line!r} {gateway.log}"
        gateway.url = found[1]
        if key:
            told = re.search(r"cg_\w+", process.stdout.readline())
            assert told
            gateway.key = told[0]
        yield gateway
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(PATIENCE)
        follower.join(PATIENCE)
        process.stdout.close()
        process.stderr.close()
    told = gateway.differing()
    assert not told, f"{len(told)} of {len(gateway.replayed)} captures: {list(told.items())[:5]}"
