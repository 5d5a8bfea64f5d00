"""List prices from the installed `genai-prices`."""

from __future__ import annotations

import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
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
        input=2.0, output=8.0, cached_input=0.5, web_search=10.0
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
    "pair",
    [
        ("openai", "no-such-model"),
        ("vllm", "gpt-4.1"),
        ("my-openai-proxy", "gpt-4.1"),
        ("openai", "text-embedding-3-small"),  # which has no price of output
    ],
)
def test_what_is_not_known_has_no_price(pair: tuple[str, str]) -> None:
    assert lookup([pair]) == {}


def test_the_local_model_is_free() -> None:
    assert lookup([("local", "anything")]) == {("local", "anything"): Price()}


def test_long_prompts_have_prices_of_their_own_in_each_tier() -> None:
    price = lookup([("gemini", "gemini-2.5-pro")])["gemini", "gemini-2.5-pro"]
    assert price.tiered
    assert (price.input, price.output, price.cached_input) == (1.25, 10.0, 0.125)
    longer, batch = price.longer[200_000], price.tiers["batch"]
    assert (longer.input, longer.output, longer.cached_input) == (2.5, 15.0, 0.25)
    assert (batch.input, batch.longer[200_000].input) == (0.625, 1.25)


def test_each_length_has_all_its_rates_where_they_change_at_several() -> None:
    pair = ("openrouter", "qwen/qwen3-coder-flash")
    price = lookup([pair])[pair]
    assert list(price.longer) == sorted(price.longer)
    assert len(price.longer) > 1
    rates = [price.input, *(one.input for one in price.longer.values())]
    assert rates == sorted(rates)


def test_what_is_dearer_than_plain_tokens_is_known() -> None:
    claude, painter = ("anthropic", "claude-opus-4-5"), ("gemini", "gemini-2.5-flash-image")
    prices = lookup([claude, painter])
    assert prices[claude].cache_write_1h == 2 * prices[claude].input
    assert prices[claude].web_search == 10.0
    assert prices[painter].output_image == 30.0


PEAKS = ("deepseek", "deepseek-v4-pro")


def test_the_rates_are_those_of_the_day() -> None:
    before = lookup([PEAKS], datetime(2026, 8, 16, 12, tzinfo=UTC))[PEAKS]
    after = lookup([PEAKS], datetime(2026, 8, 17, 12, tzinfo=UTC))[PEAKS]
    assert before.input < after.input


def test_the_rates_are_those_of_the_hour_and_hold_until_it_ends(tmp_path: Path) -> None:
    cache, day = tmp_path / "prices.json", datetime(2026, 11, 23, tzinfo=UTC)
    at = [0.5, 1, 3.9, 4, 12, 23]
    told = [load([PEAKS], cache, day + timedelta(hours=hours)) for hours in at]
    assert [(until - day).total_seconds() / 3600 for _, until in told] == [1, 4, 4, 6, 24, 24]
    usual, peak = told[0][0][PEAKS], told[1][0][PEAKS]
    assert usual.tiered
    assert peak.input == 2 * usual.input
    assert [found[PEAKS] for found, _ in told] == [usual, peak, peak, usual, usual, usual]


def test_what_does_not_depend_on_the_hour_holds_for_the_day(tmp_path: Path) -> None:
    noon = datetime(2026, 11, 23, 12, tzinfo=UTC)
    _, until = load([("openai", "gpt-4.1")], tmp_path / "prices.json", noon)
    assert until == datetime(2026, 11, 24, tzinfo=UTC)


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
    assert first[0] == lookup(pairs)
    assert [path.name for path in tmp_path.iterdir()] == ["prices.json"]

    def refuse(*_args: object) -> None:
        raise AssertionError("it was to be remembered")

    monkeypatch.setattr(prices, "_look_up", refuse)
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
    assert load(pairs, cache)[0] == lookup(pairs)


def test_what_cannot_be_remembered_is_still_found(tmp_path: Path) -> None:
    pairs = [("openai", "gpt-4.1")]
    assert load(pairs, tmp_path / "missing" / "prices.json")[0] == lookup(pairs)
