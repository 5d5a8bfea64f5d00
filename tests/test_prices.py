"""List prices from the installed `genai-prices`."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import date
from pathlib import Path

import msgspec
import pytest

from callgate import prices
from callgate.core.price import Price
from callgate.prices import PROVIDERS, load, lookup


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a price must not come over a network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def test_a_known_model_has_its_list_price() -> None:
    price = lookup([("openai", "gpt-4.1")])["openai", "gpt-4.1"]
    assert msgspec.structs.replace(price, tiers={}) == Price(
        input=2.0, output=8.0, cached_input=0.5
    )


def test_service_tiers_and_batches_have_prices_of_their_own() -> None:
    price = lookup([("openai", "gpt-5")])["openai", "gpt-5"]
    assert price.tiers["flex"].input == price.tiers["batch"].input == price.input / 2
    assert price.tiers["priority"].output > price.output
    assert lookup([("anthropic", "claude-fable-5-2")])[
        "anthropic", "claude-fable-5-2"
    ].tiers.keys() == {
        "batch"
    }  # what is dearer for another reason than the tier is not told by a tier


def test_the_same_model_costs_what_each_vendor_charges() -> None:
    direct, regional = (
        ("anthropic", "claude-opus-4-5"),
        (
            "bedrock",
            "eu.anthropic.claude-opus-4-5-20251101-v1:0",
        ),
    )
    prices = lookup([direct, regional])
    assert prices[direct].cache_write is not None
    assert prices[regional].input == pytest.approx(prices[direct].input * 1.1)


@pytest.mark.parametrize(
    "pair", [("openai", "no-such-model"), ("vllm", "gpt-4.1"), ("my-openai-proxy", "gpt-4.1")]
)
def test_what_is_not_known_has_no_price(pair: tuple[str, str]) -> None:
    assert lookup([pair]) == {}


def test_the_local_model_is_free() -> None:
    assert lookup([("local", "anything")]) == {("local", "anything"): Price()}


def test_base_rates_say_that_there_are_others() -> None:
    price = lookup([("gemini", "gemini-2.5-pro")])["gemini", "gemini-2.5-pro"]
    assert price.tiered
    assert price.input == 1.25


def test_the_rates_are_those_of_the_day() -> None:
    pair = ("deepseek", "deepseek-v4-pro")
    before = lookup([pair], date(2026, 8, 16))[pair]
    after = lookup([pair], date(2026, 8, 17))[pair]
    assert before.input < after.input
    assert before.tiered
    assert after.tiered  # dearer at some hours of the day


def test_every_vendor_of_the_table_is_one_that_the_package_knows() -> None:
    from genai_prices.data import providers

    assert set(PROVIDERS.values()) <= {provider.id for provider in providers}


def test_importing_the_module_does_not_import_the_data() -> None:
    code = "import sys, callgate.prices; sys.exit('genai_prices' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_was_looked_up_is_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "prices.json"
    pairs = [("openai", "gpt-4.1"), ("openai", "no-such-model")]
    first = load(pairs, cache)
    assert first == lookup(pairs)
    assert [path.name for path in tmp_path.iterdir()] == ["prices.json"]

    def refuse(*_args: object) -> None:
        raise AssertionError("it was to be remembered")

    monkeypatch.setattr(prices, "lookup", refuse)
    assert load(list(reversed(pairs)), cache) == first
    with pytest.raises(AssertionError):
        load([*pairs, ("openai", "gpt-4o")], cache)


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"\xff", b'{"edition": "\xff"}', b'{"edition": 7}']
)
def test_a_broken_memory_is_looked_up_anew(tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "prices.json"
    cache.write_bytes(content)
    pairs = [("openai", "gpt-4.1")]
    assert load(pairs, cache) == lookup(pairs)


def test_what_cannot_be_remembered_is_still_found(tmp_path: Path) -> None:
    pairs = [("openai", "gpt-4.1")]
    assert load(pairs, tmp_path / "missing" / "prices.json") == lookup(pairs)
