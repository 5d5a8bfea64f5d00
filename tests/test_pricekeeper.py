"""What a worker knows of prices, as time goes on and as models change."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callgate import prices
from callgate.core.directory import Directory
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.price import Price
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.engine.pricebook import PriceBook
from callgate.pricekeeper import PriceKeeper
from callgate.web.models import Models


class Listed:
    """Stands in for the list: what was asked of it, and until when its answers hold."""

    def __init__(self, holds: timedelta) -> None:
        self.holds = holds
        self.asked: asyncio.Queue[list[tuple[str, str]]] = asyncio.Queue()
        self._loop = asyncio.get_running_loop()

    def load(
        self, wanted: list[tuple[str, str]], _file: Path
    ) -> tuple[dict[tuple[str, str], Price], datetime]:
        self._loop.call_soon_threadsafe(self.asked.put_nowait, wanted)
        return {one: Price(input=1.0, output=2.0) for one in wanted}, datetime.now(UTC) + self.holds


def target(name: str) -> Target:
    deployment = Deployment(
        id=name,
        provider="openai",
        vendor=Vendor(name="openai", dialect="openai"),
        upstream_model=name,
        origin=Origin("https", "upstream.example", 443),
        path="/v1",
        secret=Secret(""),
    )
    return Target(Model(name=name, deployments=(deployment,)), deployment)


def directory(*names: str) -> Directory:
    served = {name: target(name).model for name in names}
    return Directory(served, {}, region="us", endpoints={})


async def test_prices_that_no_longer_hold_are_loaded_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = Listed(timedelta(0))
    monkeypatch.setattr(prices, "load", listed.load)
    keeper = PriceKeeper(PriceBook(), Models(directory("a")), tmp_path / "prices.json")
    keeping = asyncio.create_task(keeper.keep())
    assert [await listed.asked.get() for _ in range(2)] == [[("openai", "a")]] * 2
    keeping.cancel()


@pytest.mark.parametrize("step", [-86_400, 86_400])
async def test_prices_are_loaded_again_where_the_clock_is_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: int
) -> None:
    listed, now = Listed(timedelta(hours=12)), time.time()
    monkeypatch.setattr(prices, "load", listed.load)
    monkeypatch.setattr("callgate.pricekeeper._LOOK_EVERY", 0.001)
    monkeypatch.setattr("callgate.pricekeeper.time", lambda: now)
    keeper = PriceKeeper(PriceBook(), Models(directory("a")), tmp_path / "prices.json")
    keeping = asyncio.create_task(keeper.keep())
    await listed.asked.get()
    await asyncio.sleep(0.02)
    assert listed.asked.empty()
    now += step
    assert await listed.asked.get() == [("openai", "a")]
    keeping.cancel()


async def test_models_that_come_later_are_priced_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    listed = Listed(timedelta(days=1))
    monkeypatch.setattr(prices, "load", listed.load)
    book, models = PriceBook(), Models(directory("a"))
    keeper = PriceKeeper(book, models, tmp_path / "prices.json")
    keeping = asyncio.create_task(keeper.keep())
    assert await listed.asked.get() == [("openai", "a")]
    models.follow(directory("a", "b"), book.price)
    keeper.changed.set()
    assert await listed.asked.get() == [("openai", "a"), ("openai", "b")]
    keeping.cancel()


async def test_what_is_loaded_is_charged_and_told(tmp_path: Path) -> None:
    book, models = PriceBook(), Models(directory("gpt-4.1"))
    keeper = PriceKeeper(book, models, tmp_path / "prices.json")
    assert book.price(target("gpt-4.1")) is None
    assert await keeper.load() > datetime.now(UTC)
    price = book.price(target("gpt-4.1"))
    assert price is not None
    assert price.input > 0
    assert (tmp_path / "prices.json").exists()
