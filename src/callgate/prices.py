"""List prices, from the data that the package `genai-prices` bundles.

Its import takes a quarter of a second, so it happens inside the functions: call them from where
nobody waits. Nothing is fetched: what is known is what is installed.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    "input_audio": "input_audio_mtok",
    "output_audio": "output_audio_mtok",
    "reasoning": "output_reasoning_mtok",
}
_FORM = 2
_TIERS = ("service_tier", "processing")
"""What a variant of a price may depend on, that a request's service tier tells."""


def lookup(
    models: Iterable[tuple[str, str]], today: date | None = None
) -> dict[tuple[str, str], Price]:
    """The prices of these (vendor, upstream model) pairs; those without a known price are absent.

    Takes the rates in force on `today` (UTC). Where a provider charges by the length of the prompt
    or the hour of the day, the price is the base rate and says so by `tiered`. Blocks for about
    half a second the first time.
    """
    from genai_prices.data_snapshot import get_snapshot

    snapshot = get_snapshot()
    day = today or datetime.now(UTC).date()
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
        price = _price(info, day)
        if price is not None:
            found[vendor, upstream_model] = price
    return found


def load(models: Collection[tuple[str, str]], cache: Path) -> dict[tuple[str, str], Price]:
    """`lookup`, remembered for the rest of the day in the file `cache`, which need not exist."""
    today = datetime.now(UTC).date()
    wanted = sorted(set(models))
    edition = f"{version('genai-prices')}/{_FORM}"
    try:
        known = msgspec.json.decode(cache.read_bytes(), type=_Cache)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
        known = None
    if known is not None and (known.edition, known.day, known.asked) == (edition, today, wanted):
        return {(vendor, model): price for vendor, model, price in known.found}
    found = lookup(wanted, today)
    rows = [(vendor, model, price) for (vendor, model), price in found.items()]
    fresh = _Cache(edition=edition, day=today, asked=wanted, found=rows)
    partial = cache.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # what cannot be remembered is looked up again
        partial.write_bytes(msgspec.json.encode(fresh))
        partial.replace(cache)
    return found


class _Cache(Struct, kw_only=True):
    """What was looked up, with what, when, and for which models."""

    edition: str
    day: date
    asked: list[tuple[str, str]]
    found: list[tuple[str, str, Price]]


def _price(info: ModelInfo, day: date) -> Price | None:
    rates, timed = _rates_on(info, day)
    values, varied = _values(rates)
    if "input" not in values or "output" not in values:
        return None
    tiers = {
        name: Price(**{**values, **_values(variant.prices)[0]})
        for variant in info.price_variants or ()
        if (name := _tier(variant, day)) is not None
    }
    return Price(**values, tiered=timed or varied, tiers=tiers)


def _tier(variant: PriceVariant, day: date) -> str | None:
    """The service tier that a variant is the price of; None where it has other conditions."""
    from genai_prices.types import StartDateConstraint

    (condition, *others) = variant.when.items()
    held = variant.constraint is None or (
        isinstance(variant.constraint, StartDateConstraint) and variant.constraint.start_date <= day
    )
    return condition[1] if condition[0] in _TIERS and not others and held else None


def _values(rates: ModelPrice) -> tuple[dict[str, Any], bool]:
    """The rates by our names, and whether one of them depends on the length of the prompt."""
    values: dict[str, Any] = {}
    tiered = False
    for field, name in _FIELDS.items():
        rate = getattr(rates, name, None)
        if rate is None:
            continue
        if not isinstance(rate, Decimal):
            rate, tiered = rate.base, True
        values[field] = float(rate)
    return values, tiered


def _rates_on(info: ModelInfo, day: date) -> tuple[ModelPrice, bool]:
    """The rates in force on a day, and whether other rates hold at some of its hours."""
    from genai_prices.types import ModelPrice, StartDateConstraint

    if isinstance(info.prices, ModelPrice):
        return info.prices, False
    rates, timed = info.prices[0].prices, False
    for row in info.prices:
        if row.constraint is None:
            rates = row.prices
        elif isinstance(row.constraint, StartDateConstraint):
            if row.constraint.start_date <= day:
                rates = row.prices
        else:
            timed = True
    return rates, timed
