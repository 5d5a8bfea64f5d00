"""What a worker depends on outside itself: stores, counters, the way to providers, chance, time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing, contextmanager

import msgspec
from msgspec import Struct

from callgate.config import Config
from callgate.core.breaker import BreakerSettings
from callgate.engine.healthtable import HealthTable
from callgate.files import Files, open_to_this_process
from callgate.store.base import Counters, Store
from callgate.store.counters.opening import open_counters
from callgate.store.journal.journal import Journal
from callgate.store.opening import open_store_or_wait
from callgate.upstream.client import Client
from callgate.upstream.settings import UpstreamSettings
from callgate.upstream.transport import Transport


class World(Struct, kw_only=True):
    """The surroundings of one worker; a replay gives it others.

    `chance` and `pause` are randomness and sleep.
    """

    store: Store
    journal: Journal
    counters: Counters
    client: Transport
    health: HealthTable
    files: Files = msgspec.field(default_factory=open_to_this_process)
    chance: Callable[[], float] = random.random
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep


@contextmanager
def real_world(config: Config) -> Iterator[World]:
    """The stores, the upstream client and the health table that a configuration asks for."""
    files = open_to_this_process()
    with (
        closing(open_store_or_wait(config.store_url)) as store,
        closing(Journal(config.journal_dir, fsync=config.settings.journal.fsync)) as journal,
        closing(counters_for(config)) as counters,
    ):
        yield World(
            store=store,
            journal=journal,
            counters=counters,
            client=Client(upstream_settings(config), files),
            health=health_table(config),
            files=files,
        )


def health_table(config: Config) -> HealthTable:
    """The health of deployments, all unknown yet."""
    return HealthTable(BreakerSettings(**msgspec.structs.asdict(config.settings.breaker)))


def counters_for(config: Config) -> Counters:
    """The counters that `counters.url` and the number of workers call for."""
    settings = config.settings
    return open_counters(
        settings.counters.url,
        region=config.region,
        workers=settings.server.workers,
        timeout=settings.counters.timeout,
        table=config.data_dir / "limits.table",
    )


def upstream_settings(config: Config) -> UpstreamSettings:
    """The settings of the upstream client."""
    network, table = config.network, config.settings.upstream
    authorities = {} if config.providers is None else config.providers.authorities
    return UpstreamSettings(
        max_connections_per_origin=table.max_connections,
        max_idle_per_origin=table.max_idle_connections,
        idle_expiry=table.idle_expiry,
        max_age=table.max_age,
        max_body_bytes=table.max_body_bytes,
        proxies=network.proxies,
        ca_file=network.ca_file,
        ca_dir=network.ca_dir,
        authorities={origin: str(config.home / file) for origin, file in authorities.items()},
    )
