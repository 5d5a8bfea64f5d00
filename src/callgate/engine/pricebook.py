"""What is charged where: the prices that the engine asks for."""

from __future__ import annotations

from collections.abc import Mapping

from callgate.core.price import Price
from callgate.core.target import Target


class PriceBook:
    """What is charged at a target; list prices are unknown until they are loaded."""

    def __init__(self) -> None:
        self._known: Mapping[tuple[str, str], Price] = {}
        self._by_deployment: dict[str, Price | None] = {}

    def load(self, known: Mapping[tuple[str, str], Price]) -> None:
        """Take list prices, by (vendor, upstream model)."""
        self._known, self._by_deployment = known, {}

    def price(self, target: Target) -> Price | None:
        """The price at a target, if it is known: the model's own, or the list's by the factor."""
        model, deployment = target.model, target.deployment
        if model.price is not None:
            return model.price
        try:
            return self._by_deployment[deployment.id]
        except KeyError:
            listed = self._known.get((deployment.vendor.name, deployment.upstream_model))
            if listed is not None and deployment.price_factor != 1.0:
                listed = listed.times(deployment.price_factor)
            self._by_deployment[deployment.id] = listed
            return listed
