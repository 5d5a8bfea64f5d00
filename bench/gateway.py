"""Callgate in a folder of its own: keys, limits, validation, journal, shipper, SQLite."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from bench.cores import pinned
from bench.subject import CALLGATE, StartError, Subject
from bench.tree import Tree

_CONFIG = """\
[server]
host = "127.0.0.1"
workers = {settings.workers}
{settings.server}
[store]
url = "{store}"
[counters]
url = "{settings.counters}"
[providers.fake]
dialect = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "x"
[models.fake]
provider = "fake"
rate_limit = 1000000000
{settings.model}
[providers.anthropic]
dialect = "anthropic"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "x"
[models.fake-anthropic]
provider = "anthropic"
rate_limit = 1000000000
{settings.tables}
"""
_USUAL_ROOM = 10_000  # the defaults of `max_requests` and `max_connections`
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_COMMAND = (sys.executable, "-m", "callgate")


class Settings(NamedTuple):
    """What departs from the defaults: lines for `[server]` and the model, whole tables.

    `store` is a URL; empty: SQLite in the folder.
    """

    workers: int = 1
    server: str = ""
    model: str = ""
    tables: str = ""
    store: str = ""
    counters: str = "memory:"


def room_for(streams: int) -> Settings:
    """The defaults, but for the bounds that so many open streams would meet."""
    if streams <= _USUAL_ROOM:
        return Settings()
    return Settings(
        server=f"max_requests = {streams}", tables=f"[upstream]\nmax_connections = {streams}"
    )


class Gateway:
    """An installation in a folder of its own, with one key."""

    def __init__(
        self,
        folder: Path,
        upstream: int,
        cores: frozenset[int],
        settings: Settings = Settings(),  # noqa: B008  # immutable
    ) -> None:
        self._folder = folder
        self._cores = cores
        self._upstream = upstream
        self._config = folder / "callgate.toml"
        folder.mkdir()
        self._settings = settings
        store = settings.store or f"sqlite:///{folder}/callgate.db"
        text = _CONFIG.format(store=store, upstream=upstream, settings=settings)
        self._config.write_text(text)
        self.key = ""

    def beside(self) -> Gateway:
        """Another installation, which shares nothing with this one."""
        name = f"{self._folder.name}-{time.monotonic_ns()}"
        return Gateway(self._folder.parent / name, self._upstream, self._cores, self._settings)

    def create_key(self) -> None:
        """Make the key that requests bear; this makes the database too."""
        made = subprocess.run(
            [*_COMMAND, "keys", "create", "--config", self._config, "--name", "bench", "--json"],
            cwd=self._folder,
            capture_output=True,
            text=True,
            check=False,
        )
        if made.returncode:
            raise StartError(f"no key: {made.stderr[-2000:]}")
        self.key = json.loads(made.stdout)["key"]

    def start(self) -> Subject:
        """Start the gateway; returns once it says where it listens."""
        log = self._folder / f"serve-{time.monotonic_ns()}.log"
        with pinned(self._cores), log.open("w") as output:
            process = subprocess.Popen(
                [*_COMMAND, "serve", "--config", str(self._config), "--port", "0"],
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
            )
        end = time.monotonic() + 20
        while time.monotonic() < end and process.poll() is None:
            if found := _ADDRESS.search(log.read_text()):
                port = int(found[1])
                return Subject(CALLGATE, port, port, Tree(process), self.key, b'"request_id":"')
            time.sleep(0.001)
        Tree(process).stop()
        raise StartError(f"the gateway did not start: {log.read_text()[-3000:]}")
