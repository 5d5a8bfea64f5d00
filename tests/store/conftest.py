"""The back-ends over which the conformance suite runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from callgate.store.base import Counters, Store
from callgate.store.memory import MemoryCounters
from callgate.store.opening import open_store
from callgate.store.shared import SharedCounters
from pgserver import PostgresServer

STORES = ("sqlite", "postgres")
COUNTERS: dict[str, Callable[[Path, int], Counters]] = {
    "memory": lambda _folder, capacity: MemoryCounters(capacity),
    "shared": lambda folder, capacity: SharedCounters(folder / "limits.table", capacity),
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
        server.execute("TRUNCATE keys, records, usage; UPDATE meta SET value = 0", url)
    opened = open_store(url)
    yield opened
    opened.close()


@pytest.fixture(params=list(COUNTERS))
def make_counters(request: pytest.FixtureRequest) -> Callable[[Path, int], Counters]:
    """Makes counters of each kind, given a folder of their own and a capacity in windows."""
    return COUNTERS[request.param]


@pytest.fixture
def counters(make_counters: Callable[[Path, int], Counters], tmp_path: Path) -> Iterator[Counters]:
    """Fresh counters of each kind."""
    opened = make_counters(tmp_path, 1024)
    yield opened
    opened.close()
