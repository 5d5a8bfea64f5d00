"""From settings and catalogue to the directory of what can be called."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import date
from typing import Any

import msgspec

from callgate.catalogue import Catalogue, CatalogueEntry
from callgate.config.deployments import Providers
from callgate.config.misspelling import nearest
from callgate.config.settings import (
    DefaultParametersTable,
    DeploymentTable,
    ModelTable,
    PriceTable,
    RatesTable,
    Settings,
)
from callgate.config.timeouts import Wish, usual
from callgate.core.directory import Directory
from callgate.core.models import Absent, Deployment, Model, Timeouts
from callgate.core.price import RATES, Price

_OF_MODEL = frozenset(field.name for field in fields(Model))
_FACTS = tuple(
    field for field in CatalogueEntry.__struct_fields__ if field in _OF_MODEL and field != "regions"
)


class DirectoryBuilder:
    """Builds the directory; what cannot be built is told in `mistakes`.

    `faulty` has the mistakes by the model whose table they are in, those in how it uses its
    providers too; `models` are all that were built, also those that are not served.
    """

    def __init__(
        self, settings: Settings, providers: Providers, catalogue: Catalogue | None, today: date
    ) -> None:
        self.mistakes: list[str] = []
        self.faulty: dict[str, list[str]] = {}
        self.models: Mapping[str, Model] = {}
        self._settings = settings
        self._providers = providers
        self._catalogue = catalogue
        self._today = today

    def build(self) -> Directory:
        """Every model of the file, and of the catalogue where a provider for it is configured."""
        region = self._settings.region
        served: dict[str, Model] = {}
        absent: dict[str, Absent] = {}
        models = self._catalogued()
        for name, row in self._settings.models.items():
            with self._looking_at(name):
                models[name] = self._configured(name, row)
        hidden = {name for name, row in self._settings.models.items() if not row.offered}
        for name, model in models.items():
            if name in hidden:
                continue
            if model.retirement_date is not None and model.retirement_date <= self._today:
                absent[name] = Absent(name=name, retired=True, successor=model.successor)
            elif region in model.regions and model.deployments:
                served[name] = model
            else:
                absent[name] = Absent(name=name, regions=model.regions)
        self._check_fallbacks(models)
        self.models = models
        endpoints = self._settings.region_endpoints
        return Directory(served, absent, region=region, endpoints=endpoints)

    def _check_fallbacks(self, models: Mapping[str, Model]) -> None:
        """A fallback may be served elsewhere only, but its name has to be known."""
        catalogue = self._catalogue if self._catalogue is not None else ()
        for name, row in self._settings.models.items():
            with self._looking_at(name):
                for at, fallback in enumerate(row.fallbacks):
                    path = f"models.{name}.fallbacks[{at}]"
                    if fallback == name:
                        self.mistakes.append(f"{path}: a model cannot be its own fallback")
                    elif fallback not in models and fallback not in catalogue:
                        near = nearest(fallback, {*models, *catalogue})
                        told = f"{path}: no model {fallback!r} is configured or known{near}"
                        self.mistakes.append(told)

    @contextmanager
    def _looking_at(self, name: str) -> Iterator[None]:
        """What is found meanwhile is a mistake of this model."""
        lists = (self.mistakes, self._providers.mistakes)
        before = [len(one) for one in lists]
        yield
        found = [told for one, known in zip(lists, before, strict=True) for told in one[known:]]
        if found:
            self.faulty.setdefault(name, []).extend(found)

    def _catalogued(self) -> dict[str, Model]:
        if self._catalogue is None:
            return {}
        entries = {
            **self._catalogue.retired(),
            **self._catalogue.of(self._providers.names),
        }
        return {
            name: self._model(name, entry, self._ways(name, entry), {})
            for name, entry in entries.items()
            if name not in self._settings.models
        }

    def _configured(self, name: str, row: ModelTable) -> Model:
        catalogue = self._catalogue
        entry = catalogue[name] if catalogue is not None and name in catalogue else None
        given: dict[str, Any] = {
            field: _frozen(value)
            for field in row.__struct_fields__
            if field in _OF_MODEL
            and field != "deployments"
            and (value := getattr(row, field)) is not None
        }
        rows = list(row.deployments)
        if row.provider:
            only = DeploymentTable(provider=row.provider, upstream_model=row.upstream_model)
            rows.insert(0, only)
        if not rows:
            if entry is None:
                self.mistakes.append(
                    f"models.{name}.provider: needed (or `deployments`), as the catalogue does "
                    f"not know this model{nearest(name, catalogue or ())}"
                )
                return Model(name=name, deployments=(), **given)
            return self._model(name, entry, self._ways(name, entry), given)
        # Who names a deployment knows that it lives here and now, whatever the catalogue says.
        given = {"regions": (self._settings.region,), "retirement_date": None, **given}
        return self._model(name, entry, self._chosen(name, rows, entry), given)

    def _model(
        self,
        name: str,
        entry: CatalogueEntry | None,
        deployments: tuple[Deployment, ...],
        given: dict[str, Any],
    ) -> Model:
        facts: dict[str, Any] = (
            {} if entry is None else {field: getattr(entry, field) for field in _FACTS}
        )
        if entry is not None:
            facts["regions"] = tuple(
                region
                for region, providers in entry.served.items()
                if set(providers) & set(self._providers.names)
            )
        worldwide = any(one.worldwide for one in deployments)
        return Model(name=name, deployments=deployments, worldwide=worldwide, **{**facts, **given})

    def _ways(self, name: str, entry: CatalogueEntry) -> tuple[Deployment, ...]:
        """The configured providers that serve a catalogued model in this region."""
        wish, defaults = self._patience(name, entry)
        made = [
            self._providers.deployment(provider, upstream, 1.0, f"models.{name}", wish, defaults)
            for provider, upstream in entry.upstream_in(self._settings.region).items()
            if provider in self._providers.names
        ]
        return tuple(deployment for deployment in made if deployment is not None)

    def _chosen(
        self, name: str, rows: list[DeploymentTable], entry: CatalogueEntry | None
    ) -> tuple[Deployment, ...]:
        known = entry.upstream_in(self._settings.region) if entry is not None else {}
        wish, defaults = self._patience(name, entry)
        first = -1 if self._settings.models[name].provider else 0  # it comes before the deployments
        made = [
            (
                self._providers.deployment(
                    row.provider,
                    row.upstream_model or known.get(row.provider) or name,
                    row.weight,
                    f"models.{name}.deployments[{at}]" if at >= 0 else f"models.{name}.provider",
                    wish,
                    defaults,
                ),
                row.worldwide,
            )
            for at, row in enumerate(rows, first)
        ]
        if all(row.worldwide for row in rows):
            self.mistakes.append(
                f"models.{name}.deployments: all are `worldwide`, which only requests with "
                '`model_region: "global"` may use; one for all others is needed'
            )
        return tuple(
            replace(deployment, worldwide=True) if worldwide else deployment
            for deployment, worldwide in made
            if deployment is not None
        )

    def _patience(self, name: str, entry: CatalogueEntry | None) -> tuple[Wish, Timeouts]:
        """The timeouts that the file sets for a model, and those that stand for the rest."""
        row = self._settings.models.get(name, ModelTable())
        known = row.supported_parameters
        if known is None:
            known = list(entry.supported_parameters) if entry is not None else []
        return Wish(f"models.{name}", row.timeouts), usual(known)


def _frozen(value: object) -> object:
    if isinstance(value, DefaultParametersTable):
        given = msgspec.structs.asdict(value).items()
        return {name: one for name, one in given if one is not None}
    if isinstance(value, PriceTable):
        tiers = {name.lower(): _price(value, table) for name, table in value.tiers.items()}
        lengths = sorted(value.longer, key=int)
        longer = {int(length): _price(value, value.longer[length]) for length in lengths}
        price = _price(value)
        return msgspec.structs.replace(price, tiered=bool(longer), longer=longer, tiers=tiers)
    return tuple(value) if isinstance(value, list) else value


def _price(table: PriceTable, inner: RatesTable | None = None) -> Price:
    """The price of a table, or of one within it, which need not name every rate."""
    return Price(
        **{
            name: rate
            for given in (table, inner)
            for name in RATES
            if given is not None and (rate := getattr(given, name)) is not None
        }
    )
