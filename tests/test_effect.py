"""What operators have set, as one worker follows it: a real gateway in this process."""

from __future__ import annotations

import json
import logging
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from asgi import asgi
from callgate.app import Worker, build_worker, load_store
from callgate.config import Config, load
from callgate.core.override import Kind, Override
from callgate.effect import Effect
from callgate.engine.healthtable import HealthTable
from callgate.store.base import Store, StoreError
from callgate.store.counters.memory import MemoryCounters
from callgate.store.journal.journal import Journal
from callgate.store.opening import open_store
from callgate.upstream.client import Client
from callgate.upstream.settings import UpstreamSettings
from callgate.world import World, health_table

FILE = """
[providers.near]
dialect = "openai"
base_url = "http://127.0.0.1:1/v1"
[models.plain]
provider = "near"
[models.spare]
provider = "near"
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "callgate.toml"
    file.write_text(FILE)
    return load(file, {})


@pytest.fixture
def store(config: Config) -> Iterator[Store]:
    with closing(open_store(config.store_url)) as opened:
        yield opened


def put(store: Store, kind: Kind, name: str, **settings: Any) -> None:
    store.overrides.change(kind, name, lambda _: json.dumps(settings) if settings else None, 1)


@contextmanager
def working(config: Config, store: Store, health: HealthTable | None = None) -> Iterator[Worker]:
    with closing(Journal(config.journal_dir)) as journal:
        world = World(
            store=store,
            journal=journal,
            counters=MemoryCounters(),
            client=Client(UpstreamSettings()),
            health=health if health is not None else health_table(config),
        )
        with build_worker(config, world) as worker:
            yield worker


def follow(worker: Worker) -> None:
    """As `keep_fresh` does once a second."""
    worker.keyring.load()
    companion = worker.keyring._companion
    assert companion is not None
    companion.apply()


async def get(worker: Worker, path: str) -> Any:
    transport = httpx.ASGITransport(app=asgi(worker.gate))
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        return (await client.get(path)).json()


async def test_what_is_told_of_models_follows_the_store(config: Config, store: Store) -> None:
    put(store, "model", "early", provider="near", rate_limit=7)
    with working(config, store) as worker:
        listed = {one["id"]: one["rate_limit"] for one in (await get(worker, "/v1/models"))["data"]}
        assert listed == {"plain": 30, "spare": 30, "early": 7}
        assert '"plain"' in json.dumps(await get(worker, "/openapi.json"))
        put(store, "model", "early")
        put(store, "model", "plain", offered=False)
        put(store, "model", "spare", rate_limit=8, price={"input": 1, "output": 2})
        follow(worker)
        assert worker.prices.changed.is_set()
        (spare,) = (await get(worker, "/v1/models"))["data"]
        assert (spare["id"], spare["rate_limit"]) == ("spare", 8)
        assert spare["pricing"]["global"]["prompt"] == 1
        assert '"plain"' not in json.dumps(await get(worker, "/openapi.json"))
        told = await get(worker, "/v1/models/plain")
        assert told["error"]["type"] == "model_not_found"


async def test_what_cannot_be_is_told_and_the_rest_is_in_effect(
    config: Config, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, "model", "bad", provider="gone")
    put(store, "model", "plain", rate_limit=7)
    with caplog.at_level(logging.WARNING), working(config, store) as worker:
        ready = await get(worker, "/ready")
        assert ready["status"] == "degraded"
        (finding,) = ready["findings"]
        assert finding["part"] == "overrides"
        assert "models.bad.provider: no provider 'gone' is configured" in finding["why"]
        assert (await get(worker, "/v1/models/plain"))["rate_limit"] == 7
        assert [one.getMessage() for one in caplog.records] == [
            "what operators have set is not all in effect"
        ]
        put(store, "model", "bad")
        follow(worker)
        assert (await get(worker, "/ready"))["status"] == "ok"


def test_health_of_what_stays_survives_and_of_what_went_is_forgotten(
    config: Config, store: Store
) -> None:
    health = health_table(config)
    with working(config, store, health):
        pass
    with working(config, store, health) as worker:
        kept, gone = health["near/plain"], health["near/spare"]
        put(store, "model", "plain", rate_limit=7)
        put(store, "model", "spare", upstream_model="other")
        follow(worker)
        assert health["near/plain"] is kept
        assert health["near/spare"] is not gone


class Away:
    """Overrides whose store does not answer."""

    def all(self) -> Sequence[Override]:
        raise StoreError("away")

    def change(
        self, kind: Kind, name: str, edit: Callable[[Sequence[Override]], str | None], at: int
    ) -> None:
        raise StoreError("away")


class NoKeys:
    """Keys whose store does not answer."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def away(*_: object) -> Any:
            raise StoreError("away")

        return away


def test_a_start_without_the_store_goes_by_what_was_remembered(
    config: Config, store: Store
) -> None:
    put(store, "model", "plain", rate_limit=7)
    load_store(store, config)
    path = config.data_dir / "overrides.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    away = store._replace(keys=NoKeys(), overrides=Away())
    keyring, effect = load_store(away, config)
    assert keyring.trouble is not None
    assert effect.config.models["plain"].rate_limit == 7
    path.unlink()
    assert load_store(away, config)[1].config.models["plain"].rate_limit == 30
    put(store, "model", "plain")
    load_store(store, config)
    assert path.read_text() == "[]"


def test_a_defect_in_the_overlay_leaves_what_is_in_effect(
    config: Config, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    effect = Effect(config, store.overrides, lambda _: None)
    put(store, "model", "plain", rate_limit=7)
    effect.read()
    effect.apply()

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("callgate.effect.overlaid", broken)
    put(store, "model", "plain", rate_limit=8)
    effect.read()
    effect.apply()
    assert effect.config.models["plain"].rate_limit == 7
    assert "ZeroDivisionError" in effect.passed[0].why[0]
