"""Which models can be called here, and what to say about those that cannot."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

from callgate.core.models import Absent, Model
from callgate.errors import GatewayError


class Directory:
    """The models of one gateway by name: those `served`, and known ones that are `absent`."""

    def __init__(
        self,
        served: Mapping[str, Model],
        absent: Mapping[str, Absent],
        *,
        region: str,
        endpoints: Mapping[str, str],
    ) -> None:
        self.served = served
        self._absent = absent
        self.region = region
        self._endpoints = endpoints

    def absent(self, name: str) -> Absent | None:
        """What is known of a model that is not served."""
        return self._absent.get(name)

    def replace(self, models: Iterable[Model]) -> Directory:
        """The same directory with these models served in place of their namesakes."""
        served = {**self.served, **{model.name: model for model in models}}
        return Directory(served, self._absent, region=self.region, endpoints=self._endpoints)

    def find(self, name: str) -> Model:
        """The model of this name.

        Raises GatewayError `model_not_found` (with the nearest names), `model_retired` (with the
        successor) or `model_not_in_region` (with the regions and endpoints that serve it).
        """
        model = self.served.get(name)
        if model is not None:
            return model
        absent = self._absent.get(name)
        if absent is not None and absent.retired:
            raise self._retired(absent)
        if absent is not None and absent.regions:
            raise self._elsewhere(absent)
        raise self._unknown(name)

    def nearest(self, name: str) -> list[str]:
        """At most three served names that look like this one, best first."""
        folded = {served.lower(): served for served in self.served}
        found = difflib.get_close_matches(name[:256].lower(), folded, n=3, cutoff=0.6)
        return [folded[match] for match in found]

    def _unknown(self, name: str) -> GatewayError:
        near = self.nearest(name)
        hint = f"; did you mean {' or '.join(repr(other) for other in near)}?" if near else ""
        return GatewayError(
            "model_not_found", f"Model {name[:256]!r} is not served here{hint}", param="model"
        )

    def _retired(self, absent: Absent) -> GatewayError:
        successor = f"; its successor is {absent.successor!r}" if absent.successor else ""
        return GatewayError(
            "model_retired", f"Model {absent.name!r} has been retired{successor}", param="model"
        )

    def _elsewhere(self, absent: Absent) -> GatewayError:
        places = [
            f"{region} ({self._endpoints[region]})" if region in self._endpoints else region
            for region in absent.regions
        ]
        return GatewayError(
            "model_not_in_region",
            f"Model {absent.name!r} is not served in region {self.region!r} "
            f"but in: {', '.join(places)}",
            param="model",
        )
