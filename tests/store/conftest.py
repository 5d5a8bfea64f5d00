"""The back-ends over which the conformance suite runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import redisserver
from callgate.store.base import Counters, Store
from callgate.store.counters.mapped import MappedCounters
from callgate.store.counters.memory import MemoryCounters
from callgate.store.counters.redis import RedisLink, key_of
from callgate.store.counters.remote import RemoteCounters
from callgate.store.opening import open_store
from patience import PATIENCE
from pgserver import PostgresServer
from redisserver import PROGRAMS, RedisServer

STORES = ("sqlite", "postgres")
COUNTERS: dict[str, Callable[[Path, int], Counters]] = {
    "memory": lambda _folder, capacity: MemoryCounters(capacity),
    "shared": lambda folder, capacity: MappedCounters(folder / "limits.table", capacity),
}


@pytest.fixture(scope="session")
def postgres_url(postgres: PostgresServer) -> str:
    """A database with Callgate's tables."""
    url = postgres.fresh()
    open_store(url).close()
    return url


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A fresh store of each kind."""
    url = f"sqlite:///{tmp_path}/data/callgate.db"
    if request.param == "postgres":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = request.getfixturevalue("postgres_url")
        server.execute("TRUNCATE keys, overrides, records, usage; UPDATE meta SET value = 0", url)
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], RedisServer]]:
    """Gives the server of a name, for all tests that neither stop it nor count its keys."""
    started: dict[str, RedisServer] = {}
    with ExitStack() as stack:

        def server(name: str) -> RedisServer:
            if name not in started:
                running = redisserver.running(program=PROGRAMS[name])
                started[name] = stack.enter_context(running)
            return started[name]

        yield server


@pytest.fixture(params=list(PROGRAMS))
def redis_server(
    request: pytest.FixtureRequest, servers: Callable[[str], RedisServer]
) -> RedisServer:
    """Each server that there is; neither to be stopped nor to have its keys counted."""
    return servers(request.param)


def remote(server: str | RedisLink, *, prefix: str = "", **options: Any) -> RemoteCounters:
    """Counters on a server, apart from all others there."""
    prefix = prefix or f"test:{uuid4()}"
    return RemoteCounters(
        RedisLink(server) if isinstance(server, str) else server,
        key=lambda account, name: key_of(prefix, account, name),
        process=str(uuid4()),
        processes=f"{prefix}:processes",
        **options,
    )


@pytest.fixture(params=list(COUNTERS))
def make_bounded(request: pytest.FixtureRequest) -> Callable[[Path, int], Counters]:
    """Makes counters of each kind that has room for so many windows and no more."""
    return COUNTERS[request.param]


@pytest.fixture(params=[*COUNTERS, *PROGRAMS])
def make_counters(request: pytest.FixtureRequest) -> Callable[[Path, int], Counters]:
    """Makes counters of each kind, given a folder of their own and a capacity in windows."""
    if request.param in COUNTERS:
        return COUNTERS[request.param]
    server: RedisServer = request.getfixturevalue("servers")(request.param)
    return lambda _folder, _capacity: remote(server.url, own_clock=True, timeout=PATIENCE)


@pytest.fixture
async def counters(
    make_counters: Callable[[Path, int], Counters], tmp_path: Path
) -> AsyncIterator[Counters]:
    """Fresh counters of each kind."""
    opened = make_counters(tmp_path, 1024)
    await opened.start()
    yield opened
    await opened.stop()
    opened.close()


@pytest.fixture(params=list(PROGRAMS))
def program(request: pytest.FixtureRequest) -> str:
    """Each server that there is, as a program."""
    return PROGRAMS[request.param]


async def back(counters: RemoteCounters) -> None:
    """Wait until the server counts again."""
    async with asyncio.timeout(PATIENCE):
        while counters.trouble is not None:
            await asyncio.sleep(0.01)
