"""The catalogue of well-known models that ships with Callgate as `catalogue.toml`.

Opening it finds the models' names only; an entry is parsed when it is asked for, because a start
needs few of them and a TOML parse is slow: the whole file takes 16 ms of processor time.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

_SECTION = re.compile(r'^\[models\."([^"\\\n]+)"\]$', re.MULTILINE)
_REGION = "{region}"


class CatalogueEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A well-known model. A length of 0 means unknown, and so do no `supported_parameters`.

    `created` is Unix seconds. `upstream` maps a provider to the provider's own id of the model, in
    which `{region}` stands for the gateway's region (`upstream_in` fills it in); `served` maps a
    region to the providers that serve the model there, and `regions` are its keys. A retired model
    has a `retirement_date` in the past and, where there is one, a `successor`.
    """

    display_name: str = ""
    description: str = ""
    creator: str = ""
    created: int = 0
    context_length: int = 0
    max_output_tokens: int = 0
    input_modalities: tuple[str, ...] = ("text",)
    output_modalities: tuple[str, ...] = ("text",)
    supported_parameters: tuple[str, ...] = ()
    default_parameters: dict[str, float | int | str] = {}
    retirement_date: date | None = None
    successor: str | None = None
    regions: tuple[str, ...] = ()
    served: dict[str, tuple[str, ...]] = {}
    upstream: dict[str, str] = {}

    def upstream_in(self, region: str) -> dict[str, str]:
        """The providers that serve the model in `region`, each with its id of the model there."""
        return {
            provider: self.upstream[provider].replace(_REGION, region)
            for provider in self.served.get(region, ())
        }

    def retired(self, today: date) -> bool:
        """Whether the model's creator no longer serves it."""
        return self.retirement_date is not None and self.retirement_date <= today


class _Row(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An entry as the file has it: `parameters` names a list that many models share."""

    name: str
    creator: str
    description: str
    created: date | None = None
    context_length: int = 0
    max_output_tokens: int = 0
    input: tuple[str, ...] = ("text",)
    output: tuple[str, ...] = ("text",)
    parameters: str | None = None
    defaults: dict[str, float | int | str] = {}
    retirement_date: date | None = None
    successor: str | None = None
    regions: dict[str, tuple[str, ...]] = {}
    upstream: dict[str, str]


class _Retired(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Models that were retired on the same day in favour of the same successor."""

    date: date
    models: tuple[str, ...]
    successor: str | None = None


class _Head(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands in the file before the first model."""

    parameters: dict[str, tuple[str, ...]] = {}
    regions: dict[str, tuple[str, ...]] = {}
    retired: tuple[_Retired, ...] = ()


class Catalogue(Mapping[str, CatalogueEntry]):
    """The entries by the model's name, each parsed when first asked for."""

    def __init__(self, text: str) -> None:
        """Take the catalogue's text. Raises ValueError where a name stands in it twice."""
        marks = list(_SECTION.finditer(text))
        ends = [mark.start() for mark in marks[1:]] + [len(text)]
        self._sections = {
            mark[1]: text[mark.end() : end] for mark, end in zip(marks, ends, strict=True)
        }
        self._head = msgspec.convert(
            tomllib.loads(text[: marks[0].start()] if marks else text), _Head
        )
        gone = [(name, _gone(row)) for row in self._head.retired for name in row.models]
        self._retired = dict(gone)
        self._entries = dict(gone)
        self._names = (*self._sections, *self._retired)
        if len(set(self._names)) != len(marks) + len(gone):
            raise ValueError("a model stands in the catalogue twice")

    def __getitem__(self, name: str) -> CatalogueEntry:
        entry = self._entries.get(name)
        if entry is None:
            entry = self._entries[name] = self._parse(self._sections[name])
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._sections

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def of(self, providers: Collection[str]) -> dict[str, CatalogueEntry]:
        """The entries that at least one of these providers serves; only those are parsed."""
        if not providers:
            return {}
        known = re.compile(
            r"^upstream =.*[{ ](?:" + "|".join(map(re.escape, providers)) + ") =", re.MULTILINE
        )
        return {name: self[name] for name, text in self._sections.items() if known.search(text)}

    def retired(self) -> dict[str, CatalogueEntry]:
        """The models that their creators no longer serve."""
        return dict(self._retired)

    def _parse(self, section: str) -> CatalogueEntry:
        row = msgspec.convert(tomllib.loads(section), _Row)
        served = self._served(row)
        return CatalogueEntry(
            display_name=row.name,
            description=row.description,
            creator=row.creator,
            created=_seconds(row.created),
            context_length=row.context_length,
            max_output_tokens=row.max_output_tokens,
            input_modalities=row.input,
            output_modalities=row.output,
            supported_parameters=self._head.parameters[row.parameters] if row.parameters else (),
            default_parameters=row.defaults,
            retirement_date=row.retirement_date,
            successor=row.successor,
            regions=tuple(served),
            served=served,
            upstream=row.upstream,
        )

    def _served(self, row: _Row) -> dict[str, tuple[str, ...]]:
        served: dict[str, tuple[str, ...]] = {}
        for provider in row.upstream:
            for region in row.regions.get(provider, self._head.regions[provider]):
                served[region] = (*served.get(region, ()), provider)
        return served


def load() -> Catalogue:
    """The catalogue that is installed with this package."""
    return Catalogue(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _gone(row: _Retired) -> CatalogueEntry:
    return CatalogueEntry(retirement_date=row.date, successor=row.successor)


def _seconds(day: date | None) -> int:
    return 0 if day is None else int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
