"""What a request cost, from the tokens that were counted and the provider's list price."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from callgate.core.chat import Json, Usage
from callgate.core.price import Price
from callgate.core.target import Target

NANO: Final = 1_000_000_000
"""Spending is counted in billionths of a US dollar, so that it adds up exactly."""

_PER: Final = 1_000_000
_THOUSANDS: Final = _PER // 1000
_DEAREST: Final = 10_000.0
"""Dollars; a provider that says to have charged more for one answer is not believed."""
_MOST: Final = 2**53  # beyond this a count is a provider's mistake, and no exact float either


def cost(usage: Usage, price: Price) -> float:
    """US dollars for this usage at this price.

    Cached, cache-write and audio tokens are parts of the input; audio, image and reasoning tokens
    of the output. Each part is charged at its own rate, or at the plain one where the price names
    none; all of it at the rates of the service tier that `usage.extra` names, if it has its own,
    and of a prompt as long as this one. A part that is larger than the whole is cut to it.
    """
    extra, details = usage.extra, usage.input_details
    if price.tiers and extra is not None:
        price = price.tiers.get(str(extra.get(_TIER)).lower(), price)
    if price.longer:
        price = _for_prompt(price, count_of(usage.input_tokens))
    parts: list[tuple[int, float]] = []
    inputs = _split(usage.input_tokens, details, _INPUT_PARTS, price, parts)
    total = inputs * price.input
    outputs = _split(usage.output_tokens, usage.output_details, _OUTPUT_PARTS, price, parts)
    total += outputs * price.output
    for count, rate in parts:
        total += count * rate
    if details and price.cache_write_1h is not None:
        total += _kept_long(details, usage.input_tokens) * (price.cache_write_1h - _write(price))
    if extra and price.web_search is not None:
        total += _searches(extra) * price.web_search * _THOUSANDS
    return total / _PER


def charged(target: Target, usage: Usage, price: Price | None) -> float | None:
    """US dollars that this usage of a target costs, None where that is not known.

    What the provider says that it has charged is the truth, unless the operator has set a price
    for the model.
    """
    bill = target.deployment.vendor.bill
    if bill and usage.extra is not None and target.model.price is None:
        told = _BILLS[bill](usage.extra)
        if told is not None:
            return told
    return None if price is None else cost(usage, price)


def total_cost(
    parts: Iterable[tuple[Target, Usage]], prices: Callable[[Target], Price | None]
) -> float | None:
    """US dollars for all of these, None where the price of any is not known."""
    total = 0.0
    for target, usage in parts:
        spent = charged(target, usage, prices(target))
        if spent is None:
            return None
        total += spent
    return total


def nano(dollars: float) -> int:
    """US dollars in billionths."""
    return round(dollars * NANO)


_Parts = Sequence[tuple[str, str, str]]
_INPUT_PARTS: Final[_Parts] = (
    ("cached_tokens", "cached_input", "input"),
    ("cache_write_tokens", "cache_write", "input"),
    ("audio_tokens", "input_audio", "input"),
)
_OUTPUT_PARTS: Final[_Parts] = (
    ("audio_tokens", "output_audio", "output"),
    ("image_tokens", "output_image", "output"),
    ("reasoning_tokens", "reasoning", "output"),
)
_TIER: Final = "service_tier"
_USUAL = frozenset((None, "", "auto", "default", "standard"))


def with_tier(usage: Usage | None, extra: Json) -> Usage | None:
    """The usage with the service tier that an answer's further fields name, if it is not usual."""
    tier = extra.get(_TIER)
    if usage is None or not isinstance(tier, str) or tier in _USUAL:
        return usage
    return msgspec.structs.replace(usage, extra={**(usage.extra or {}), _TIER: tier})


def _for_prompt(price: Price, length: int) -> Price:
    """What is charged for a prompt of so many tokens."""
    charged = price
    for beyond, dearer in price.longer.items():
        if length > beyond:
            charged = dearer
    return charged


def _kept_long(details: Json, whole: int) -> int:
    """The tokens written to a cache that keeps them for an hour: a part of all that were."""
    written = min(count_of(details.get("cache_write_tokens")), count_of(whole))
    return min(count_of(details.get("cache_write_1h_tokens")), written)


def _write(price: Price) -> float:
    return price.input if price.cache_write is None else price.cache_write


def _searches(extra: Json) -> int:
    """How often the provider has searched the web, where its usage says so.

    https://docs.claude.com/en/docs/agents-and-tools/tool-use/web-search-tool#usage-and-pricing
    """
    tools = extra.get("server_tool_use")
    return count_of(tools.get("web_search_requests")) if isinstance(tools, dict) else 0


def _split(
    whole: int,
    details: Json | None,
    names: _Parts,
    price: Price,
    parts: list[tuple[int, float]],
) -> int:
    """What of the whole is left when the parts that are told apart have joined `parts`."""
    left = count_of(whole)
    if details:
        for name, field, plain in names:
            count = min(left, count_of(details.get(name)))
            if count:
                rate: float | None = getattr(price, field)
                parts.append((count, getattr(price, plain) if rate is None else rate))
                left -= count
    return left


def count_of(value: object) -> int:
    """A count as a provider has reported it, which may be anything; 0 to 2^53 here."""
    if not isinstance(value, int) or isinstance(value, bool):
        return 0
    return min(max(value, 0), _MOST)


def _of_openrouter(extra: Json) -> float | None:
    """Credits, which are dollars; where the caller's own key is used there, its provider's price
    comes on top (https://openrouter.ai/docs/use-cases/usage-accounting).
    """
    details = extra.get("cost_details")
    further = details.get("upstream_inference_cost") if isinstance(details, dict) else None
    fee = _dollars(extra.get("cost"))
    return fee + (_dollars(further) or 0.0) if fee is not None and extra.get("is_byok") else fee


def _of_xai(extra: Json) -> float | None:
    """Ticks, 10^10 of which are a dollar (https://docs.x.ai/developers/cost-tracking)."""
    ticks = extra.get("cost_in_usd_ticks")
    return _dollars(ticks / 1e10 if type(ticks) is int and 0 <= ticks <= _MOST else None)


def _dollars(value: object) -> float | None:
    """An amount as a provider has told it, None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= _DEAREST else None


_BILLS: Mapping[str, Callable[[Json], float | None]] = MappingProxyType(
    {"openrouter": _of_openrouter, "xai": _of_xai}
)
