"""What is wrong with a gateway's set-up: facts in, findings out. Each function judges one part."""

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
"""How many days ahead a model's retirement is reported."""
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
    'with dialect = "local"; for a model not in the catalogue, also a [models."…"].'
)
_UNCOUNTED = "Until then no gateway starts, and each running one counts limits by itself."


def of_open_metrics(host: str) -> Finding:
    """Metrics are readable without a token from other machines."""
    return warning(
        "metrics",
        f"`/metrics` needs no token: anyone who can reach {host} can read models, providers and "
        "costs",
        "Set metrics.token, or have a proxy restrict `/metrics` to internal machines.",
    )


def of_everybody(network: str) -> Finding:
    """A network in `server.trusted_proxies` contains every address."""
    return warning(
        "proxies",
        f"server.trusted_proxies has {network}: anyone who can reach the port can forge caller "
        "addresses",
        "List only the proxies' own addresses or networks.",
    )


def of_retirements(models: Iterable[Model], today: date) -> Iterator[Finding]:
    """Models that are about to be retired."""
    for model in sorted(models, key=lambda one: (one.retirement_date or date.max, one.name)):
        day = model.retirement_date
        if day is None or (day - today).days > NOTICE_DAYS:
            continue
        fix = f"Move callers to {model.successor}." if model.successor else "Move callers away."
        left = f"in {counted((day - today).days, 'day')}"
        yield warning(f"model {model.name}", f"will be retired on {day}, {left}", fix)


def of_unserved(names: Iterable[str]) -> Iterator[Finding]:
    """Models with settings of their own for which no provider is configured."""
    for name in names:
        yield warning(
            f"model {name}",
            "is configured but not served: none of the providers known to serve it is configured",
            f'Configure one, set `provider` of [models."{name}"], or remove that table.',
        )


def of_extras(missing: Iterable[tuple[str, str, str]]) -> Iterator[Finding]:
    """Packages that are needed but not installed, as (provider, extra, package)."""
    for provider, extra, package in missing:
        yield problem(
            f"provider {provider}",
            f"needs the package {package}, which is not installed",
            f"Run: {install(extra)}",
        )


def of_prices(unknown: Collection[str]) -> Finding:
    """Models under a budget without a known price at one of their deployments."""
    if not unknown:
        return ok("prices", "are known for every model under a budget")
    return warning(
        "prices",
        f"budgets do not count {', '.join(sorted(unknown))}: no price is known",
        'Set the price in [models."…".price], input = 0 and output = 0 for what costs nothing.',
    )


def of_schemas(*, checked: bool) -> Finding:
    """Whether answers can be checked against the schemas that callers send."""
    if checked:
        return ok("structured outputs", "answers are checked against their JSON Schema")
    return warning(
        "structured outputs",
        "the package jsonschema-rs is not installed: strict schemas are refused, others unchecked",
        f"Run: {install('structured')}",
    )


def of_idle_providers(configured: Iterable[str], used: Collection[str]) -> Iterator[Finding]:
    """Configured providers that no served model uses."""
    for provider in sorted(set(configured) - set(used)):
        yield warning(
            f"provider {provider}",
            "no served model uses it, so it has not been asked",
            f'Add a table [models."…"] with provider = "{provider}", or remove the provider.',
        )


def of_configuration(file: Path | None, region: str, models: int, providers: int) -> Finding:
    """A configuration that could be read."""
    source = str(file) if file is not None else "the environment (there is no callgate.toml)"
    counts = f"{counted(providers, 'provider')}, {counted(models, 'model')}"
    what = f"read from {source}: region {region}, {counts}"
    if models:
        return ok("configuration", what)
    return problem("configuration", what, _ADD if file is not None else _SET)


def of_gateway(url: str, answer: Mapping[str, Any] | None) -> Iterator[Finding]:
    """The running gateway and its answer to `GET /ready`, None if it gives none."""
    if answer is None:
        fix = (
            "Unless it is just starting or stopping, check its log and its workers' CPU usage, "
            "then restart it."
        )
        yield problem("gateway", f"runs, but does not answer at {url}", fix)
        return
    found = answer.get("findings", ())
    for one in found:
        state = problem if one["state"] == "down" else warning
        yield state(f"gateway {one['part']}", one["why"], one["fix"])
    if not found:
        yield ok("gateway", f"answers at {url}, with the current configuration files in effect")


def of_store(revision: str, keys: int) -> Finding:
    """A store that opens; `keys` counts those that are valid now."""
    what = f"opens, at revision {revision}, with {counted(keys, 'valid key')}"
    if keys:
        return ok("store", what)
    return warning("store", what, "Create one: callgate keys create --name NAME")


def of_overrides(
    counts: Mapping[str, int], passed: Iterable[tuple[str, str, Iterable[str]]]
) -> Iterator[Finding]:
    """Overrides: how many of each kind are in effect, and which (kind, name, reasons) are not."""
    if found := [counted(count, kind) for kind, count in counts.items() if count]:
        yield ok("overrides", f"the store's settings of {' and '.join(found)} are in effect")
    for kind, name, why in passed:
        yield problem(
            f"{kind} {name}",
            f"its settings in the store are not in effect: {', '.join(why)}",
            f"Remove them with 'callgate {kind}s reset {name}', or correct the configuration.",
        )


def of_counters(server: str | None, workers: int, caution: Caution | None = None) -> Finding:
    """Where limits are counted; `server` is its address, None if the gateway counts them itself."""
    if caution is not None:
        return warning("counters", *caution)
    if server is not None:
        return ok("counters", f"{server} answers, and counts limits for all gateways that use it")
    where = f"its {workers} workers share a table" if workers > 1 else "its worker's memory"
    return ok("counters", f"limits are counted by this gateway alone: {where}")


def of_refused_counters(said: str) -> Finding:
    """A counter server that cannot be used; `said` is what is wrong, a semicolon, and the fix."""
    what, _, fix = said.partition("; ")
    fix = f"{fix[:1].upper()}{fix[1:]}. {_UNCOUNTED}" if fix else _UNCOUNTED
    return problem("counters", what, fix)


def of_mode(path: Path, mode: int, wanted: int) -> Finding | None:
    """Permissions of a file that give others more access than `wanted`."""
    if not mode & ~wanted & 0o077:
        return None
    return warning(
        "permissions",
        f"{path} has mode {mode:04o}, so other users of this machine may be able to read keys' "
        "hashes and "
        "records",
        f"chmod {wanted:o} '{path}'",
    )


def of_disk(path: Path, free: int) -> Finding:
    """The free space, in bytes, on the disk that holds the data folder."""
    what = f"{free / 1e9:.1f} GB free at {path}"
    fix = "Free some space, or lower `store.retention_days`."
    if free >= _LOW_DISK:
        return ok("disk", what)
    return warning("disk", what, fix) if free >= _NO_DISK else problem("disk", what, fix)


def of_backlog(size: int, oldest_age: float | None) -> Finding:
    """Records waiting in the journal: their bytes, and the age of the oldest in seconds."""
    if not size or oldest_age is None:
        return ok("journal", "no records are waiting to be shipped")
    what = f"{size:,} bytes of records are waiting to be shipped, the oldest for {oldest_age:.0f} s"
    if oldest_age <= _OLD_BACKLOG:
        return ok("journal", what)
    fix = "Start the gateway, whose clerk ships them; if it runs, check `store.url` and the disk."
    return problem("journal", what, fix) if oldest_age > _FAR_BACKLOG else (
        warning("journal", what, fix)
    )  # fmt: skip
