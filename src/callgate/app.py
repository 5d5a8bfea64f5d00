"""The composition root: the one file that knows every room, and where each part comes from.

`build_worker` puts together what serves callers in one process; `server.worker` runs it.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path

from msgspec import Struct

from callgate import prices
from callgate.config import Config
from callgate.core.models import Price, Target
from callgate.engine.admission import Admission
from callgate.engine.engine import Engine
from callgate.store.base import Counters
from callgate.store.journal import Journal, backlog
from callgate.store.memory import MemoryCounters
from callgate.store.opening import open_store
from callgate.store.shared import SharedCounters
from callgate.upstream.client import Client
from callgate.upstream.settings import UpstreamSettings
from callgate.web.chat import Chat, ChatSettings
from callgate.web.cold import Cold
from callgate.web.gate import Gate
from callgate.web.keyring import Keyring
from callgate.web.openapi import OpenApi, document
from callgate.web.shapes import Finding
from callgate.web.status import Check, Status
from callgate.web.v1 import Models

_BACKLOG_ALARM_SECONDS = 30.0


class PriceBook:
    """Prices by (vendor, upstream model); empty until they are loaded."""

    def __init__(self) -> None:
        self.known: Mapping[tuple[str, str], Price] = {}

    def price(self, target: Target) -> Price | None:
        """The price at a target, if it is known."""
        deployment = target.deployment
        return self.known.get((deployment.vendor.name, deployment.upstream_model))


class Worker(Struct):
    """The parts of a worker that live as long as it does."""

    gate: Gate
    keyring: Keyring
    client: Client
    models: Models
    prices: PriceBook
    price_file: Path

    async def load_prices(self) -> None:
        """Read the price list off the path of any request."""
        refs = self.models.price_refs()
        self.prices.known = await asyncio.to_thread(prices.load, refs, self.price_file)
        self.models.price(self.prices.known)


@contextmanager
def build_worker(config: Config) -> Iterator[Worker]:
    """Everything that one process needs to serve callers; blocks on the store to read the keys."""
    settings = config.settings
    support = settings.support
    voice = {"contact": support.contact, "status_url": support.status_url}
    with (
        closing(open_store(config.store_url)) as store,
        closing(Journal(config.journal_dir)) as journal,
        closing(counters_for(config)) as counters,
    ):
        keyring = Keyring(store.keys)
        keyring.load()
        client = Client(upstream_settings(config))
        book = PriceBook()
        engine = Engine(
            Admission(config.directory, counters, config.region),
            client,
            journal,
            config.region,
            book.price,
            random.random,
        )
        chat = Chat(
            engine,
            keyring,
            ChatSettings(
                region=config.region,
                region_endpoints=settings.region_endpoints,
                max_body_bytes=settings.server.max_body_bytes,
                support_contact=support.contact,
                status_url=support.status_url,
            ),
        )
        models = Models(config.directory)
        status = Status([store_check(keyring), journal_check(journal, config.journal_dir)])
        openapi = OpenApi(partial(describe, config))
        cold = Cold([*models.routes(), *status.routes(), *openapi.routes()], **voice)
        yield Worker(
            gate=Gate(chat, cold.app, **voice),
            keyring=keyring,
            client=client,
            models=models,
            prices=book,
            price_file=config.data_dir / "prices.json",
        )


def counters_for(config: Config) -> Counters:
    """Limits in memory where one worker counts alone, else in a table that all workers share."""
    if config.settings.server.workers == 1:
        return MemoryCounters()
    return SharedCounters(config.data_dir / "limits.table")


def upstream_settings(config: Config) -> UpstreamSettings:
    """What the way out depends on."""
    network, table = config.network, config.settings.upstream
    return UpstreamSettings(
        max_connections_per_origin=table.max_connections,
        max_idle_per_origin=table.max_idle_connections,
        idle_expiry=table.idle_expiry,
        max_body_bytes=table.max_body_bytes,
        proxies=network.proxies,
        ca_file=network.ca_file,
        ca_dir=network.ca_dir,
    )


def describe(config: Config) -> dict[str, object]:
    """The OpenAPI document of this gateway."""
    return document(
        version=version("callgate"),
        region=config.region,
        max_body_bytes=config.settings.server.max_body_bytes,
        example_model=next(iter(config.models), "gpt-4.1"),
    )


def store_check(keyring: Keyring) -> Check:
    """Whether the store answers."""

    def store() -> Finding:
        if keyring.trouble is None:
            return Finding(part="store")
        return Finding(
            part="store",
            state="degraded",
            why=f"{keyring.trouble}; keys are served from memory",
            fix="Look at the store that `store.url` names and at the disk it is on.",
        )

    return store


def journal_check(journal: Journal, folder: Path) -> Check:
    """Whether records are written, and shipped to the store in good time."""

    def records() -> Finding:
        if journal.degraded is not None:
            return Finding(
                part="journal",
                state="degraded",
                why=f"{journal.held} records are held in memory: {journal.degraded}",
                fix=f"Make room on the disk that holds {folder}, and check its permissions.",
            )
        waiting = backlog(folder, time.time())
        if waiting.oldest_age is not None and waiting.oldest_age > _BACKLOG_ALARM_SECONDS:
            return Finding(
                part="journal",
                state="degraded",
                why=f"{waiting.bytes:,} bytes of records wait for the store, the oldest for "
                f"{waiting.oldest_age:.0f} s",
                fix="Look at the store that `store.url` names; the records are safe meanwhile.",
            )
        return Finding(part="journal")

    return records
