"""Three gateways on one PostgreSQL and one Redis, that can be killed in part and started anew."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import redis

from bench.endure.servers import Postgres, Redis
from bench.tree import Tree
from callgate.cli.keys import add_key
from callgate.store.base import Key, Query, Usage, UsageQuery
from callgate.store.journal.unshipped import scan
from callgate.store.opening import open_store

GATEWAYS, WORKERS = 3, 2
ACCOUNTS = tuple(f"account-{number:02}" for number in range(16))
LIMITS = {"small": 12, "medium": 30, "large": 60, "larger": 120}
"""Requests per window and account; each can be divided by the number of workers."""
LATE = {f"late-{name}": limit for name, limit in LIMITS.items()}
"""The same once more, for counting after something has happened."""
FREE = "free"
"""A model whose limit nobody reaches."""

_CONFIG = """\
catalogue = false
data_dir = "{folder}/data"
[server]
workers = {workers}
drain = 2
[store]
url = "{store}"
[counters]
url = "{counters}"
timeout = {timeout}
[providers.fake]
dialect = "openai"
base_url = "http://127.0.0.1:{upstream}/v1"
api_key = "x"
"""
_MODEL = '[models."{name}"]\nprovider = "fake"\nupstream_model = "fake"\nrate_limit = {limit}\n'
_SERVE = (sys.executable, "-m", "callgate", "serve", "--config", "callgate.toml")
_ADDRESS = re.compile(r"http://127\.0\.0\.1:(\d+)")
_ALONE = "limits are counted by each process alone"
_START_SECONDS = 60.0
_SHIPPED_SECONDS = 120.0


class StartError(Exception):
    """A gateway did not start."""


class Gateway:
    """One of the fleet, on the same port however often it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.up = False
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and wait until it answers; the port may still be held by a worker that ends."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            log = self.folder / f"serve-{time.monotonic_ns()}.log"
            with log.open("w") as output:
                self._process = subprocess.Popen(
                    [*_SERVE, "--port", str(self.port)],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    text=True,
                )
            while time.monotonic() < end and self._process.poll() is None:
                if found := _ADDRESS.search(log.read_text()):
                    self.port = int(found[1])
                    self._wait_ready(end)
                    self.up = True
                    return
                time.sleep(0.02)
        raise StartError(log.read_text()[-3000:])

    def _wait_ready(self, end: float) -> None:
        while time.monotonic() < end:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self._get("/health")[0] == 200:
                    return
            time.sleep(0.05)

    def ready(self) -> dict[str, Any]:
        """What `/ready` says."""
        return dict(json.loads(self._get("/ready")[1]))

    def _get(self, path: str) -> tuple[int, bytes]:
        # By the standard library: it costs the load beside it next to nothing.
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    @property
    def supervisor(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def roles(self) -> tuple[list[int], list[int]]:
        """The processes of its workers, and of its clerk, who has a lower priority."""
        own = self.supervisor
        workers: list[int] = []
        clerks: list[int] = []
        for pid in Tree(self._given).pids():
            with contextlib.suppress(OSError):
                if pid != own:
                    nice = os.getpriority(os.PRIO_PROCESS, pid)
                    (clerks if nice > os.getpriority(os.PRIO_PROCESS, own) else workers).append(pid)
        return workers, clerks

    @property
    def _given(self) -> subprocess.Popen[str]:
        assert self._process is not None
        return self._process

    def kill_all(self) -> bool:
        """`kill -9` of everything at once."""
        self.up = False
        for pid in list(Tree(self._given).pids()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._given.wait()
        return True

    def kill_supervisor(self) -> bool:
        """`kill -9` of the supervisor alone; its children end by themselves."""
        self.up = False
        self._given.kill()
        self._given.wait()
        return True

    def reload(self) -> None:
        """SIGHUP."""
        self._given.send_signal(signal.SIGHUP)

    def said(self, words: str) -> int:
        """How often these words are in its logs."""
        return sum(path.read_text().count(words) for path in self.folder.glob("serve-*.log"))

    def departures(self) -> Iterator[tuple[float, str]]:
        """When its workers began to count alone (Unix seconds), and why, by its logs."""
        for path in self.folder.glob("serve-*.log"):
            for line in path.read_text().splitlines():
                if _ALONE in line:
                    said = json.loads(line)
                    yield datetime.fromisoformat(said["time"]).timestamp(), said["detail"]

    def stop(self) -> None:
        """End it in order."""
        self.up = False
        if self._process is not None:
            Tree(self._process).stop(20)

    def unshipped(self) -> int:
        """How many records wait in its journal."""
        return sum(1 for _ in scan(self.folder / "data" / "journal"))


class Fleet:
    """All gateways of a scene, with a key for each account, in a database of their own."""

    def __init__(
        self, folder: Path, postgres: Postgres, cache: Redis, upstream: int, timeout: float
    ) -> None:
        name = folder.name
        postgres.execute(f"CREATE DATABASE {name}")
        with cache.client() as client:
            client.flushall()
        self.url = postgres.url(name)
        self.upstream = upstream
        self._cache = cache
        self._workers: dict[str, list[int]] = {}
        folder.mkdir()
        limits = {**LIMITS, **LATE, FREE: 10**9}
        models = "".join(_MODEL.format(name=name, limit=limit) for name, limit in limits.items())
        self.gateways: list[Gateway] = []
        for number in range(GATEWAYS):
            home = folder / f"gateway{number}"
            home.mkdir()
            head = _CONFIG.format(
                folder=home,
                workers=WORKERS,
                store=self.url,
                counters=cache.url,
                timeout=timeout,
                upstream=upstream,
            )
            (home / "callgate.toml").write_text(head + models)
            self.gateways.append(Gateway(home))
        with contextlib.closing(open_store(self.url)) as store:
            self.keys = {account: add_key(store.keys, _key(account))[0] for account in ACCOUNTS}

    def start(self) -> None:
        """Start all; wait until every process counts on the server."""
        for gateway in self.gateways:
            gateway.start()
        self.wait_exact()
        self._workers = {
            f"gateway{at}": gateway.roles()[0] for at, gateway in enumerate(self.gateways)
        }

    def roles(self) -> Mapping[str, Sequence[int]]:
        """The workers of each gateway as they were started, Redis, and the callers."""
        pid = self._cache.pid
        redis = {} if pid is None else {"redis": [pid]}
        return {**self._workers, **redis, "callers": [os.getpid()]}

    def wait_exact(self) -> None:
        """Wait until every process is registered where limits are counted, and says so."""
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            with contextlib.suppress(redis.RedisError, OSError), self._cache.client() as it:
                found = it.zcard("callgate:us:processes") == GATEWAYS * WORKERS
                if found and all(not self._degraded(one) for one in self.gateways):
                    return
            time.sleep(0.1)
        raise StartError("not every process counts on the server")

    def _degraded(self, gateway: Gateway) -> bool:
        # Asked more than once: any worker may answer.
        return any(
            finding["part"] == "counters"
            for _ in range(4 * WORKERS)
            for finding in gateway.ready()["findings"]
        )

    def wait_shipped(self) -> float:
        """Wait until no record waits in a journal; how many seconds it took."""
        begun = time.monotonic()
        while any(gateway.unshipped() for gateway in self.gateways):
            if time.monotonic() - begun > _SHIPPED_SECONDS:
                break  # the ledger tells what is missing
            time.sleep(0.1)
        return time.monotonic() - begun

    def stop(self) -> None:
        """End all in order."""
        for gateway in self.gateways:
            gateway.stop()

    def recorded(self) -> Iterator[tuple[str, str, int, bool]]:
        """Of each record in the store: its id, the caller's own, the status, whether it failed."""
        with contextlib.closing(open_store(self.url)) as store:
            for one in store.requests.find(Query(limit=10**9)):
                failed = one.error is not None
                yield one.request_id, one.client_request_id or "", one.status, failed

    def totals(self) -> list[Usage]:
        """The totals of the store by account and model."""
        with contextlib.closing(open_store(self.url)) as store:
            return list(store.requests.usage(UsageQuery(by=("account", "model"))))


def _key(account: str) -> Key:
    return Key(id="", digest=b"", hint="", name="k", account=account, region="us", created=1)
