"""What operators have set while gateways run, laid over the configuration.

An override is held to what holds for the file, by the same code. One that cannot be is passed over
and told, and all else takes effect: its provider may have left the file since it was set.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from callgate.catalogue import load as load_catalogue
from callgate.config.building import DirectoryBuilder
from callgate.config.load import Config
from callgate.config.settings import AccountTable, ModelTable, Settings
from callgate.core import shape
from callgate.core.allowance import EVERYONE
from callgate.core.models import Model
from callgate.core.override import Kind, Override

TABLES: Mapping[str, tuple[str, type[Struct]]] = {
    "model": ("models", ModelTable),
    "account": ("accounts", AccountTable),
}
"""Of each kind of override: the table of the file that it is laid over, and its shape."""
_MAX_BYTES = 64 << 10
T = TypeVar("T", bound=Struct)
Given = dict[str, dict[str, Any]]


class Passed(Struct, frozen=True):
    """An override that is not in effect, and why."""

    kind: str
    name: str
    why: tuple[str, ...]

    def __str__(self) -> str:
        why = ", ".join(self.why)
        return f"the store's settings of {self.kind} {self.name!r} are not in effect: {why}"


class Overlaid(NamedTuple):
    """A configuration as it is in effect, and the overrides that are not.

    `given` are the settings of those that are, by kind and name.
    """

    config: Config
    passed: tuple[Passed, ...] = ()
    given: Mapping[str, Given] = MappingProxyType({})

    def of(self, kind: Kind) -> Given:
        """What is set of models or accounts, and in effect."""
        return self.given.get(kind, {})


def overlaid(config: Config, overrides: Iterable[Override]) -> Overlaid:
    """The configuration with the overrides over it, as far as they are sound."""
    passed: list[Passed] = []
    given: dict[str, Given] = {kind: {} for kind in TABLES}
    for one in overrides:
        found, mistakes = given_in(one)
        if mistakes:
            passed.append(Passed(one.kind, one.name, mistakes))
        else:
            given[one.kind][one.name] = found
    settings = msgspec.structs.replace(
        config.settings, accounts=_accounts(config.settings, given["account"])
    )
    config = msgspec.structs.replace(config, settings=settings)
    models = given["model"]
    while models:
        fresh, faulty = _with_models(config, models)
        # The file has been found sound: with no override to blame, it is all of them together.
        guilty = (models.keys() & faulty.keys()) or (models.keys() if faulty else ())
        if not guilty:
            return Overlaid(fresh, tuple(passed), given)
        for name in sorted(guilty):
            why = faulty.get(name) or next(iter(faulty.values()))
            passed.append(Passed("model", name, tuple(why)))
            del models[name]
    return Overlaid(config, tuple(passed), given)


def given_in(override: Override) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The settings of an override, and what is wrong with them in themselves."""
    if override.kind not in TABLES:
        return {}, (f"there are no overrides of the kind {override.kind[:40]!r}",)
    table, kind = TABLES[override.kind]
    place = f"{table}.{override.name}"
    try:
        if len(override.settings) > _MAX_BYTES:
            raise ValueError
        given = msgspec.json.decode(override.settings)
    except (ValueError, RecursionError):
        return {}, (f"{place}: is no JSON of at most {_MAX_BYTES >> 10} KiB",)
    report = shape.inspect(given, kind)
    faults = [
        f"{place}.{one.path}: {one.message}" if one.path else f"{place}: {one.message}"
        for one in report.faults
    ]
    mistakes = (*faults, *(f"{place}.{name}: no such setting" for name in report.unknown))
    return ({} if mistakes else dict(given)), mistakes


def models_of(config: Config) -> Mapping[str, Model]:
    """Every model that the configuration tells of, also those that it does not serve."""
    builder = _builder(config, config.settings)
    builder.build()
    return builder.models


def _builder(config: Config, settings: Settings) -> DirectoryBuilder:
    assert config.providers is not None, "this configuration cannot be built on"
    catalogue = load_catalogue() if settings.catalogue else None
    today = datetime.now(UTC).date()
    return DirectoryBuilder(settings, config.providers.afresh(), catalogue, today)


def _with_models(config: Config, given: Given) -> tuple[Config, dict[str, list[str]]]:
    """The configuration with these models in it, and what is wrong with which of them."""
    tables = dict(config.settings.models)
    for name, one in given.items():
        table = tables.get(name, ModelTable())
        if not one.keys().isdisjoint(("provider", "deployments")):  # other ways, not more of them
            table = msgspec.structs.replace(table, provider="", upstream_model="", deployments=[])
        tables[name] = _over(table, one)
    settings = msgspec.structs.replace(config.settings, models=tables)
    builder = _builder(config, settings)
    directory = builder.build()
    untouched = config.models.keys() & directory.served.keys() - given.keys()
    directory = directory.replace(config.models[name] for name in untouched)
    return msgspec.structs.replace(config, settings=settings, directory=directory), builder.faulty


def _accounts(settings: Settings, given: Given) -> dict[str, AccountTable]:
    """The tables of accounts. One that has none yet begins as what holds for everyone."""
    tables = dict(settings.accounts)
    for name in sorted(given, key=lambda name: name != EVERYONE):
        table = tables.get(name) or tables.get(EVERYONE) or AccountTable()
        tables[name] = _over(table, given[name])
    return tables


def _over(table: T, given: Mapping[str, Any]) -> T:
    fresh = msgspec.convert(given, type(table))
    return msgspec.structs.replace(table, **{name: getattr(fresh, name) for name in given})
