"""What tokens cost."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec import Struct


class Price(Struct, frozen=True, kw_only=True):
    """US dollars per million tokens, `web_search` per thousand searches. Where a kind of token has
    no price of its own, it is None.

    `longer` are the whole prices of requests whose prompts are longer than so many tokens, shortest
    first: the rates hold for all of their tokens. `tiers` are the whole prices of the service
    tiers that are charged otherwise, such as `flex`, `priority` or `batch`. `tiered` says that the
    provider charges other rates in some cases: long prompts, or certain hours.
    """

    input: float = 0.0
    output: float = 0.0
    cached_input: float | None = None
    cache_write: float | None = None
    cache_write_1h: float | None = None
    input_audio: float | None = None
    output_audio: float | None = None
    output_image: float | None = None
    reasoning: float | None = None
    web_search: float | None = None
    tiered: bool = False
    longer: Mapping[int, Price] = {}
    tiers: Mapping[str, Price] = {}

    @property
    def free(self) -> bool:
        """Whether nothing of it ever costs anything."""
        others = (*self.longer.values(), *self.tiers.values())
        return not any(getattr(self, name) for name in RATES) and all(one.free for one in others)

    def times(self, factor: float) -> Price:
        """Every rate so many times as high."""
        rates = {name: rate * factor for name in RATES if (rate := getattr(self, name)) is not None}
        longer = {length: price.times(factor) for length, price in self.longer.items()}
        tiers = {name: price.times(factor) for name, price in self.tiers.items()}
        return msgspec.structs.replace(self, **rates, longer=longer, tiers=tiers)


RATES = (
    "input", "output", "cached_input", "cache_write", "cache_write_1h", "input_audio",
    "output_audio", "output_image", "reasoning", "web_search",
)  # fmt: skip
"""The fields of a price that are rates."""
