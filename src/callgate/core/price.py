"""What tokens cost."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct


class Price(Struct, frozen=True, kw_only=True):
    """US dollars per million tokens. Where a kind of token has no price of its own, it is None.

    `tiered` says that the provider charges other rates in some cases (long prompts, certain hours)
    and that these are the base rates. `tiers` are the whole prices of the service tiers that are
    charged otherwise, such as `flex`, `priority` or `batch`.
    """

    input: float = 0.0
    output: float = 0.0
    cached_input: float | None = None
    cache_write: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None
    reasoning: float | None = None
    tiered: bool = False
    tiers: Mapping[str, Price] = {}

    def times(self, factor: float) -> Price:
        """Every rate so many times as high."""
        rates = {name: rate * factor for name in RATES if (rate := getattr(self, name)) is not None}
        tiers = {name: price.times(factor) for name, price in self.tiers.items()}
        return msgspec.structs.replace(self, **rates, tiers=tiers)


RATES = (
    "input", "output", "cached_input", "cache_write", "input_audio", "output_audio", "reasoning",
)  # fmt: skip
"""The fields of a price that are rates."""
