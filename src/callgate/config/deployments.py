"""From the providers' tables to deployments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from callgate.config.misspelling import nearest
from callgate.config.settings import ProviderTable
from callgate.config.timeouts import Wish, resolved
from callgate.core.http import Origin, split_url
from callgate.core.models import Deployment, Timeouts, Vendor
from callgate.core.secret import Secret
from callgate.local.model import installed
from callgate.providers.registry import DIALECTS, VENDORS

LOCAL = "local"
_LIKE = {"openai": "openai-compatible"}
"""By whose quirks a server of a name unknown to the registry is treated."""
_ROUTES = {
    "openai": "/chat/completions", "responses": "/responses", "anthropic": "/messages",
}  # fmt: skip
"""What a dialect adds to a base URL, and what is often copied with it."""
_OPTIONS = (
    "region", "access_key_id", "api_version", "project", "location",
    "credentials_file", "guardrail_identifier", "guardrail_version", "guardrail_trace",
    "prefill",
)  # fmt: skip
_UNSENDABLE = re.compile(r"[^\t\x20-\x7e\x80-\xff]")
_VARIABLE = re.compile(r"\$[A-Za-z_]\w*|%\w+%")
_OPENAI_HOST = ".api.openai.com"
"""https://developers.openai.com/api/docs/guides/your-data: a region has its own host below it."""
_UNBOUND = Origin("http", "127.0.0.1", 0)
"""The local model's server has no port before it runs; `config.bound` puts it in."""


class Providers:
    """The configured providers. What is wrong with them is told in `mistakes`, once each.

    `local` is where the local model's server runs, and its key.
    """

    def __init__(
        self, tables: Mapping[str, ProviderTable], local: tuple[Origin, Secret] | None = None
    ) -> None:
        self.mistakes: list[str] = []
        self.local_weights: str | None = None
        self._made: dict[str, tuple[Vendor, Origin, str, ProviderTable]] = {}
        self._tables = tables
        self._local = local
        self._told: set[str] = set()
        for name, table in tables.items():
            self.mistakes += _unusable(name, table)
            vendor = self._vendor(name, table)
            if vendor is not None:
                self._place(name, table, vendor)

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> Providers:
        """The providers whose usual variable is set, and the local model where it is installed."""
        tables = {
            name: ProviderTable(api_key=environ[vendor.env].strip())
            for name, vendor in VENDORS.items()
            if vendor.env and vendor.base_url and environ.get(vendor.env, "").strip()
        }
        if installed():
            tables[LOCAL] = ProviderTable(dialect="local")
        return cls(tables)

    def afresh(self) -> Providers:
        """The same providers, of which no mistake has been told."""
        return Providers(self._tables, self._local)

    def bound(self, origin: Origin, secret: Secret) -> Providers:
        """The same providers, the local one pointed at its running server."""
        return Providers(self._tables, (origin, secret))

    @property
    def secrets(self) -> list[Secret]:
        """The credentials of every provider, also of those that no model leads to."""
        tables = self._tables.values()
        found = (one for row in tables for one in _credentials(row))
        return [Secret(one) for one in dict.fromkeys(found) if one]

    @property
    def authorities(self) -> dict[Origin, str]:
        """The files of certificate authorities that only some servers' certificates are from."""
        made = self._made.values()
        return {origin: table.ca_file for _, origin, _, table in made if table.ca_file}

    @property
    def names(self) -> tuple[str, ...]:
        """Every provider that can be used."""
        return tuple(self._made)

    def deployment(
        self,
        provider: str,
        upstream_model: str,
        weight: float,
        path: str,
        wish: Wish,
        defaults: Timeouts,
    ) -> Deployment | None:
        """The way to a model through a provider; `path` is the setting that asks for it.

        `wish` are the model's own timeouts, `defaults` those that nobody set.
        """
        if provider not in self._tables:
            near = nearest(provider, self._tables)
            self.mistakes.append(f"{path}: no provider {provider!r} is configured{near}")
            return None
        if provider not in self._made:
            return None  # what ails the provider has been told
        vendor, origin, prefix, table = self._made[provider]
        wishes = (Wish(f"providers.{provider}", table.timeouts), wish)
        timeouts, mistakes = resolved(wishes, defaults)
        self.mistakes += [one for one in mistakes if one not in self._told]
        self._told.update(mistakes)
        return Deployment(
            id=f"{provider}/{upstream_model}",
            provider=provider,
            vendor=vendor,
            upstream_model=upstream_model,
            origin=origin,
            path=prefix,
            secret=Secret(table.api_key),
            session_token=Secret(table.session_token),
            weight=weight,
            timeouts=timeouts,
            price_factor=table.price_factor,
            options={name: value for name in _OPTIONS if (value := getattr(table, name))},
        )

    def _vendor(self, name: str, table: ProviderTable) -> Vendor | None:
        known = VENDORS.get(name)
        if known is not None and table.dialect in (None, known.dialect):
            return _keyed(known, table)
        if table.dialect is None:
            self.mistakes.append(
                f"providers.{name}.dialect: needed, because {name!r} is not a known vendor"
                f"{_instead(name, table)}"
            )
            return None
        if table.dialect not in DIALECTS:
            self.mistakes.append(
                f"providers.{name}.dialect: no such dialect; there are {', '.join(DIALECTS)}"
            )
            return None
        alike = VENDORS.get(_LIKE.get(table.dialect, table.dialect))
        vendor = Vendor(name=name, dialect=table.dialect) if alike is None else alike
        if vendor.dialect == LOCAL:
            return vendor
        # Another server that speaks the dialect: its address and its variable are its own.
        own = replace(vendor, name=name, env="", base_url="")
        fetched = vendor.auth == "google" and (table.project or table.credentials_file)
        if table.api_key or fetched:
            return _keyed(own, table)
        return replace(own, auth="none")

    def _place(self, name: str, table: ProviderTable, vendor: Vendor) -> None:
        if vendor.dialect == LOCAL:
            self.local_weights = table.weights
            origin, secret = self._local or (_UNBOUND, Secret(""))
            table = msgspec.structs.replace(table, api_key=secret.reveal())
            self._made[name] = (vendor, origin, "/v1", table)
            return
        if vendor.env and not table.api_key:
            self.mistakes.append(f"providers.{name}.api_key: needed for this provider")
            return
        if not (table.base_url or vendor.base_url):
            self.mistakes.append(
                f"providers.{name}.base_url: needed, as the address of {name!r} is not known"
            )
            return
        try:
            region = table.region or vendor.default_region
            origin, prefix = split_url(table.base_url or vendor.base_url.format(region=region))
        except ValueError as error:
            self.mistakes.append(f"providers.{name}.base_url: {error}")
            return
        route = _ROUTES.get(vendor.dialect)
        if route is not None and prefix.endswith(route):
            self.mistakes.append(
                f"providers.{name}.base_url: leave out {route!r}, which is added to it"
            )
            return
        responses = table.responses
        if responses is None:
            responses = _is_openai(vendor, origin, prefix)
        elif responses and not _may_have_responses(vendor, prefix):
            self.mistakes.append(
                f"providers.{name}.responses: only for a server that speaks OpenAI's dialect, and "
                "for Azure with a base_url that ends in /v1"
            )
            return
        if responses != vendor.responses:
            vendor = replace(vendor, responses=responses)
        self._made[name] = (vendor, origin, prefix, table)


def _instead(name: str, table: ProviderTable) -> str:
    """What whoever names a vendor that is none may want."""
    if table.base_url:
        return "; for a server that speaks OpenAI's API it is 'openai'"
    return nearest(name.lower(), VENDORS) or f"; known are {', '.join(sorted(VENDORS))}"


def _is_openai(vendor: Vendor, origin: Origin, prefix: str) -> bool:
    """Whether it is OpenAI's own server or Azure's, and not one that stands before it."""
    own = vendor.dialect == "azure" or f".{origin.host}".endswith(_OPENAI_HOST)
    return own and _may_have_responses(vendor, prefix)


def _may_have_responses(vendor: Vendor, prefix: str) -> bool:
    """https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses: below `/openai/v1`."""
    return vendor.dialect == "openai" or (vendor.dialect == "azure" and prefix.endswith("/v1"))


def _credentials(table: ProviderTable) -> tuple[str, ...]:
    return table.api_key, table.session_token, table.access_key_id


def _unusable(name: str, table: ProviderTable) -> list[str]:
    """What is wrong with credentials that no header can carry (RFC 9110, 5.5), or that are none."""
    mistakes = []
    for field in ("api_key", "session_token", "access_key_id"):
        value = getattr(table, field)
        if _UNSENDABLE.search(value) is not None:
            why = "contains a character that is not allowed in HTTP headers"
        elif _VARIABLE.fullmatch(value) is not None:
            why = "is the name of a variable, whose value is written `${NAME}`, with braces"
        else:
            continue
        mistakes.append(f"providers.{name}.{field}: {why}")
    return mistakes


def _keyed(vendor: Vendor, table: ProviderTable) -> Vendor:
    """Google Cloud takes an API key in place of a token that is fetched:
    https://cloud.google.com/vertex-ai/generative-ai/docs/start/api-keys
    """
    if vendor.auth == "google" and table.api_key:
        return replace(vendor, auth="x-goog-api-key")
    return vendor
