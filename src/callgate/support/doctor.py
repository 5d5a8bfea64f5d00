"""What is wrong with a gateway's configuration and its place: facts in, findings out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from callgate.core.models import Model
from callgate.extras import install
from callgate.store.base import Caution
from callgate.support.finding import Finding, counted, ok, problem, warning

NOTICE_DAYS = 60
"""From how many days before a model's retirement on it is told."""
_LOW_DISK = 1 << 30
_NO_DISK = 100 << 20
_OLD_BACKLOG = 30.0
_FAR_BACKLOG = 600.0
_SET = (
    "Set a provider's variable, such as OPENAI_API_KEY, install the extra 'local', or write a "
    "callgate.toml."
)
_ADD = (
    "Add a provider to the file, such as [providers.openai] with its api_key, or [providers.local] "
    'with dialect = "local"; for one that is not in the catalogue, a [models."…"], too.'
)
_UNCOUNTED = "Until the server counts no gateway starts, and those that run count each for itself."


def of_open_metrics(host: str) -> Finding:
    """Of figures that are read without a token on an address that is not of this machine alone."""
    return warning(
        "metrics",
        f"`/metrics` needs no token: whoever reaches {host} may read models, providers and costs",
        "Set metrics.token, or let a proxy keep `/metrics` to machines inside.",
    )


def of_everybody(network: str) -> Finding:
    """Of a network in `server.trusted_proxies` that holds every address."""
    return warning(
        "proxies",
        f"server.trusted_proxies has {network}: whoever reaches the port can name any caller",
        "Name the proxies' own addresses or networks alone.",
    )


def of_retirements(models: Iterable[Model], today: date) -> Iterator[Finding]:
    """Of the models that are about to be retired."""
    for model in sorted(models, key=lambda one: (one.retirement_date or date.max, one.name)):
        day = model.retirement_date
        if day is None or (day - today).days > NOTICE_DAYS:
            continue
        fix = f"Move callers to {model.successor}." if model.successor else "Move callers away."
        left = f"in {counted((day - today).days, 'day')}"
        yield warning(f"model {model.name}", f"will be retired on {day}, {left}", fix)


def of_unserved(names: Iterable[str]) -> Iterator[Finding]:
    """Of models with settings of their own for which no provider is configured."""
    for name in names:
        yield warning(
            f"model {name}",
            "is configured but not served: none of the providers known to serve it is configured",
            f'Configure one, set `provider` of [models."{name}"], or remove that table.',
        )


def of_extras(missing: Iterable[tuple[str, str, str]]) -> Iterator[Finding]:
    """Of (provider, extra, package) that are needed but not installed."""
    for provider, extra, package in missing:
        yield problem(
            f"provider {provider}",
            f"needs the package {package}, which is not installed",
            f"Run: {install(extra)}",
        )


def of_prices(unknown: Collection[str]) -> Finding:
    """Of the models under a budget that have no known price at one of their deployments."""
    if not unknown:
        return ok("prices", "are known of every model that a budget counts")
    return warning(
        "prices",
        f"no budget counts what is used of {', '.join(sorted(unknown))}: no price is known",
        'Set the price in [models."…".price], input = 0 and output = 0 for what costs nothing.',
    )


def of_schemas(*, checked: bool) -> Finding:
    """Of whether answers can be held against the schemas that callers ask for."""
    if checked:
        return ok("structured outputs", "answers are held against their JSON Schema")
    return warning(
        "structured outputs",
        "the package jsonschema-rs is not installed: strict schemas are refused, others unchecked",
        f"Run: {install('structured')}",
    )


def of_idle_providers(configured: Iterable[str], used: Collection[str]) -> Iterator[Finding]:
    """Of providers that no model leads to."""
    for provider in sorted(set(configured) - set(used)):
        yield warning(
            f"provider {provider}",
            "no model that is served here leads to it, so it has not been asked",
            f'Add a table [models."…"] with provider = "{provider}", or remove the provider.',
        )


def of_configuration(file: Path | None, region: str, models: int, providers: int) -> Finding:
    """Of a configuration that could be read."""
    source = str(file) if file is not None else "the environment (there is no callgate.toml)"
    counts = f"{counted(providers, 'provider')}, {counted(models, 'model')}"
    what = f"read from {source}: region {region}, {counts}"
    if models:
        return ok("configuration", what)
    return problem("configuration", what, _ADD if file is not None else _SET)


def of_gateway(url: str, answer: Mapping[str, Any] | None) -> Iterator[Finding]:
    """Of the gateway that runs and its answer to `GET /ready`; None where it gives none."""
    if answer is None:
        fix = (
            "Unless it is just starting or stopping, look at its log and at the processor time of "
            "its workers; then restart it."
        )
        yield problem("gateway", f"runs, but does not answer at {url}", fix)
        return
    found = answer.get("findings", ())
    for one in found:
        state = problem if one["state"] == "down" else warning
        yield state(f"gateway {one['part']}", one["why"], one["fix"])
    if not found:
        yield ok("gateway", f"answers at {url}, and has what its files say in effect")


def of_store(revision: str, keys: int) -> Finding:
    """Of a store that opens; `keys` counts those that are valid now."""
    what = f"opens, at revision {revision}, with {counted(keys, 'valid key')}"
    if keys:
        return ok("store", what)
    return warning("store", what, "Make one: callgate keys create --name NAME")


def of_overrides(
    counts: Mapping[str, int], passed: Iterable[tuple[str, str, Iterable[str]]]
) -> Iterator[Finding]:
    """Of what operators have set while gateways run: how many of each kind are in effect, and which
    (kind, name, reasons) are not.
    """
    if found := [counted(count, kind) for kind, count in counts.items() if count]:
        yield ok("overrides", f"in the store, settings of {' and '.join(found)} are in effect")
    for kind, name, why in passed:
        yield problem(
            f"{kind} {name}",
            f"what is set of it in the store is not in effect: {', '.join(why)}",
            f"Take it back with 'callgate {kind}s reset {name}', or correct the configuration.",
        )


def of_counters(server: str | None, workers: int, caution: Caution | None = None) -> Finding:
    """Of what counts limits; `server` is its address, None where the gateway itself does."""
    if caution is not None:
        return warning("counters", *caution)
    if server is not None:
        return ok("counters", f"{server} answers and counts limits for all gateways that name it")
    where = f"its {workers} workers share a table" if workers > 1 else "its worker's memory"
    return ok("counters", f"limits are counted by this gateway alone: {where}")


def of_refused_counters(said: str) -> Finding:
    """Of a server that does not count; `said` is what is wrong, then the fix behind a semicolon."""
    what, _, fix = said.partition("; ")
    fix = f"{fix[:1].upper()}{fix[1:]}. {_UNCOUNTED}" if fix else _UNCOUNTED
    return problem("counters", what, fix)


def of_mode(path: Path, mode: int, wanted: int) -> Finding | None:
    """Of a file's permissions, where they give others more than `wanted`."""
    if not mode & ~wanted & 0o077:
        return None
    return warning(
        "permissions",
        f"{path} has mode {mode:04o}, so that others on this machine may get at keys' hashes and "
        "records",
        f"chmod {wanted:o} '{path}'",
    )


def of_disk(path: Path, free: int) -> Finding:
    """Of the room on the disk that holds the data folder, in bytes."""
    what = f"{free / 1e9:.1f} GB free at {path}"
    fix = "Make room, or lower `store.retention_days`."
    if free >= _LOW_DISK:
        return ok("disk", what)
    return warning("disk", what, fix) if free >= _NO_DISK else problem("disk", what, fix)


def of_backlog(size: int, oldest_age: float | None) -> Finding:
    """Of the records that wait in the journal: bytes, and the age of the oldest in seconds."""
    if not size or oldest_age is None:
        return ok("journal", "no record waits to be shipped")
    what = f"{size:,} bytes of records wait to be shipped, the oldest for {oldest_age:.0f} s"
    if oldest_age <= _OLD_BACKLOG:
        return ok("journal", what)
    fix = "Start the gateway, whose clerk ships them; if it runs, look at `store.url` and the disk."
    return problem("journal", what, fix) if oldest_age > _FAR_BACKLOG else (
        warning("journal", what, fix)
    )  # fmt: skip
