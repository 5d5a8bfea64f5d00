"""List prices, from the data that the package `genai-prices` bundles.

Its import takes a quarter of a second, so it happens inside the functions: call them from where
nobody waits. Nothing is fetched: what is known is what is installed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from callgate.core.price import Price

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, PriceVariant

PROVIDERS: Mapping[str, str] = {
    "anthropic": "anthropic",
    "azure": "azure",
    "bedrock": "aws",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "fireworks": "fireworks",
    "gemini": "google",
    "groq": "groq",
    "meta": "meta",
    "mistral": "mistral",
    "moonshot": "moonshotai",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together",
    "vertex": "google",
    "xai": "x-ai",
    "zai": "zai",
}
"""Our vendors' names as `genai-prices` has them; a vendor that is not here has no price."""

FREE = frozenset({"local"})
"""Vendors that charge nothing, because they run on this machine."""

_FIELDS = {
    "input": "input_mtok",
    "output": "output_mtok",
    "cached_input": "cache_read_mtok",
    "cache_write": "cache_write_mtok",
    "cache_write_1h": "cache_write_1h_mtok",
    "input_audio": "input_audio_mtok",
    "output_audio": "output_audio_mtok",
    "output_image": "output_image_mtok",
    "reasoning": "output_reasoning_mtok",
    "web_search": "web_searches_kcount",
}
_FORM = 3
_TIERS = ("service_tier", "processing")
"""What a variant of a price may depend on, that a request's service tier tells."""


def lookup(
    models: Iterable[tuple[str, str]], at: datetime | None = None
) -> dict[tuple[str, str], Price]:
    """The prices of these (vendor, upstream model) pairs; those without a known price are absent.

    Takes the rates in force at an instant, now by default. Blocks for about half a second the
    first time.
    """
    return _look_up(models, at or datetime.now(UTC))[0]


def load(
    models: Collection[tuple[str, str]], cache: Path, at: datetime | None = None
) -> tuple[dict[tuple[str, str], Price], datetime]:
    """`lookup`, and until when it holds: for the day, or less where rates depend on the hour.

    It is remembered until then in the file `cache`, which need not exist.
    """
    now = at or datetime.now(UTC)
    wanted = sorted(set(models))
    edition = f"{version('genai-prices')}/{_FORM}"
    try:
        known = msgspec.json.decode(cache.read_bytes(), type=_Cache)
    except (OSError, ValueError):
        known = None
    if known is not None and known.serves(edition, wanted, now):
        return {(vendor, model): price for vendor, model, price in known.found}, known.until
    found, until = _look_up(wanted, now)
    rows = [(vendor, model, price) for (vendor, model), price in found.items()]
    fresh = _Cache(edition=edition, since=now, until=until, asked=wanted, found=rows)
    partial = cache.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # what cannot be remembered is looked up again
        try:
            partial.write_bytes(msgspec.json.encode(fresh))
            partial.replace(cache)
        except OSError:  # the disk is full
            partial.unlink()
    return found, until


def _look_up(
    models: Iterable[tuple[str, str]], now: datetime
) -> tuple[dict[tuple[str, str], Price], datetime]:
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    until = _midnight_after(now)
    found: dict[tuple[str, str], Price] = {}
    for vendor, upstream_model in models:
        if vendor in FREE:
            found[vendor, upstream_model] = Price()
        if vendor not in PROVIDERS:
            continue
        try:
            _, info = snapshot.find_provider_model(upstream_model, None, PROVIDERS[vendor], None)
        except LookupError:
            continue
        price = _price(info, now)
        if price is not None:
            found[vendor, upstream_model] = price
            until = min((until, *_turns_after(now, info)))
    return found, until


class _Cache(Struct, kw_only=True):
    """What was looked up, with what, for which time and for which models."""

    edition: str
    since: datetime
    until: datetime
    asked: list[tuple[str, str]]
    found: list[tuple[str, str, Price]]

    def serves(self, edition: str, wanted: Sequence[tuple[str, str]], now: datetime) -> bool:
        """Whether it is what would be found now."""
        asked = (self.edition, self.asked) == (edition, wanted)
        return asked and self.since <= now < self.until


_Rates = dict[str, list[tuple[int, float]]]
"""By our names: a rate, and those of prompts of more than so many tokens, the shortest first."""


def _price(info: ModelInfo, now: datetime) -> Price | None:
    active, timed = _rates_at(info, now)
    rates = _values(active)
    if "input" not in rates or "output" not in rates:
        return None
    tiers = {
        name: _built({**rates, **_values(variant.prices)})
        for variant in info.price_variants or ()
        if (name := _tier(variant, now)) is not None
    }
    price = _built(rates)
    return msgspec.structs.replace(price, tiered=timed or bool(price.longer), tiers=tiers)


def _built(rates: _Rates) -> Price:
    """The price, with that of each length of prompt from which on a rate is another."""
    lengths = sorted({length for steps in rates.values() for length, _ in steps[1:]})
    base, *longer = (
        msgspec.convert({name: _at(steps, length) for name, steps in rates.items()}, Price)
        for length in (0, *lengths)
    )
    return msgspec.structs.replace(base, longer=dict(zip(lengths, longer, strict=True)))


def _at(steps: list[tuple[int, float]], length: int) -> float:
    return [rate for beyond, rate in steps if beyond <= length][-1]


def _tier(variant: PriceVariant, now: datetime) -> str | None:
    """The service tier that a variant is the price of; None where it has other conditions."""
    (condition, *others) = variant.when.items()
    held = variant.constraint is None or variant.constraint.active(now)
    return condition[1] if condition[0] in _TIERS and not others and held else None


def _values(rates: ModelPrice) -> _Rates:
    values: _Rates = {}
    for field, name in _FIELDS.items():
        rate = getattr(rates, name, None)
        if isinstance(rate, Decimal):
            values[field] = [(0, float(rate))]
        elif rate is not None:
            steps = [(tier.start, float(tier.price)) for tier in rate.tiers]
            values[field] = [(0, float(rate.base)), *steps]
    return values


def _rates_at(info: ModelInfo, now: datetime) -> tuple[ModelPrice, bool]:
    """The rates in force at an instant, and whether others are at another hour of the day."""
    from genai_prices.types import ModelPrice

    if isinstance(info.prices, ModelPrice):
        return info.prices, False
    rates = info.prices[0].prices
    for row in info.prices:
        if row.constraint is None or row.constraint.active(now):
            rates = row.prices
    return rates, bool(_hours(info))


def _hours(info: ModelInfo) -> set[time]:
    """The times of day, UTC, at which the rates change."""
    from genai_prices.types import ModelPrice, TimeOfDateConstraint

    if isinstance(info.prices, ModelPrice):
        return set()
    held = [row.constraint for row in info.prices]
    times = [one for one in held if isinstance(one, TimeOfDateConstraint)]
    return {hour for one in times for hour in (one.start_time, one.end_time)}


def _turns_after(now: datetime, info: ModelInfo) -> list[datetime]:
    """When on this day of UTC the rates change yet."""
    turns = [datetime.combine(now.date(), hour.replace(tzinfo=UTC)) for hour in _hours(info)]
    return [turn for turn in turns if turn > now]


def _midnight_after(now: datetime) -> datetime:
    return datetime.combine(now.date() + timedelta(days=1), time(), UTC)
