"""A server under test."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from bench.request import OPENAI, Dialect
from bench.tree import Tree

DIRECT, NGINX, CALLGATE = "direct", "nginx", "callgate"
TRANSLATED = "translated"


class Subject(NamedTuple):
    """Where requests go: `stream_port` is the port for streams, `marker` what answers must hold,
    `dialect` what the provider behind the asked model speaks, `headers` what it wants besides the
    usual ones, each line with its end.

    `tree` is None for the direct call, whose cost is nobody's.
    """

    name: str
    port: int
    stream_port: int
    tree: Tree | None
    key: str = "none"
    marker: bytes = b""
    dialect: Dialect = OPENAI
    headers: str = ""


class StartError(Exception):
    """A server did not come up."""


def free_port() -> int:
    """A port that nobody listens on at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def spawn(
    command: Sequence[str], folder: Path, name: str, environment: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    """A server in a folder, which says what it says into `name.log` there."""
    with (folder / f"{name}.log").open("w") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )


def await_port(port: int, process: subprocess.Popen[str], log: Path, limit: float = 10.0) -> None:
    """Wait until a connection is accepted. Raises StartError with the end of the log."""
    end = time.monotonic() + limit
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.002)
        else:
            return
    raise StartError(f"nothing listens on port {port}: {log.read_text()[-2000:]}")


def find_nginx() -> str | None:
    """The nginx program, also where system daemons lie outside of a user's PATH."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
