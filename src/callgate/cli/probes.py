"""What `callgate check` looks at on this machine: files, disk, store, packages."""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path

from callgate import prices
from callgate.cli.whereabouts import readiness, running_url
from callgate.config import Config
from callgate.extras import install
from callgate.local.model import installed
from callgate.local.weights import find
from callgate.store.base import StoreError
from callgate.store.journal.unshipped import backlog
from callgate.support import doctor
from callgate.support.finding import Finding, ok, problem, warning

_FOLDER, _FILE = 0o700, 0o600


def configuration(config: Config) -> Finding:
    """Where it was read from and what is in it."""
    providers = {
        deployment.provider for model in config.models.values() for deployment in model.deployments
    }
    return doctor.of_configuration(
        config.file,
        config.region,
        len(config.models),
        len(providers | set(config.settings.providers)),
    )


def gateway(config: Config) -> Iterator[Finding]:
    """What the gateway says of itself that runs from the data folder, if one does."""
    if (url := running_url(config)) is not None:
        yield from doctor.of_gateway(url, readiness(url))


def store(config: Config) -> Finding:
    """Whether the store opens; one that is not there yet is left unmade."""
    from callgate.store.opening import is_made, open_store
    from callgate.store.schema import REVISIONS

    now = time.time() * 1000
    try:
        if not is_made(config.store_url):
            path = sqlite_file(config)
            if path is not None:
                return ok("store", f"{path} is not there yet; the first start makes it")
            return ok("store", "the first start makes the tables, or brings them up to date")
        opened = open_store(config.store_url)
        try:
            keys = opened.keys.all()
        finally:
            opened.close()
    except StoreError as error:
        return problem(
            "store",
            str(error),
            "Correct `store.url`, or repair the disk or the database behind it.",
        )
    valid = sum(1 for key in keys if (end := key.dead_at()) is None or end > now)
    return doctor.of_store(REVISIONS[-1], valid)


def counters(config: Config) -> Finding:
    """Whether limits can be counted as `counters.url` says; takes nothing from any."""
    from callgate.store.counters.opening import probe_counters

    try:
        probed = probe_counters(config.settings.counters.url, region=config.region)
    except StoreError as error:
        return doctor.of_refused_counters(str(error))
    if probed is None:
        return doctor.of_counters(None, config.settings.server.workers)
    return doctor.of_counters(probed.server, config.settings.server.workers, probed.caution)


def proxies(config: Config) -> Iterator[Finding]:
    """Whether only proxies are believed when they tell who asks."""
    for network in config.trusted_networks:
        if network.prefixlen == 0:
            yield doctor.of_everybody(str(network))


def metrics(config: Config) -> Iterator[Finding]:
    """Whether strangers may read the figures."""
    table, host = config.settings.metrics, config.settings.server.host
    if table.enabled and not table.token and not _is_loopback(host):
        yield doctor.of_open_metrics(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def sqlite_file(config: Config) -> Path | None:
    """The store's file, where it is one."""
    prefix = "sqlite:///"
    return Path(config.store_url[len(prefix) :]) if config.store_url.startswith(prefix) else None


def files(config: Config) -> Iterator[Finding]:
    """Permissions, space on the disk, a folder to write to, and what waits in the journal."""
    folder = config.data_dir
    yield from _permissions(config)
    yield _disk(folder)
    for one in {_existing(folder): None, _existing(config.journal_dir): None}:
        if not os.access(one, os.W_OK | os.X_OK):
            yield problem(
                "data_dir",
                f"{one} is not a folder that this user can write to",
                "Run this as the gateway's user, give that user access to the folder, or correct "
                "`data_dir`.",
            )
    try:
        waiting = backlog(config.journal_dir, time.time())
    except OSError as error:
        yield problem(
            "journal",
            f"{config.journal_dir} cannot be read: {error.strerror}",
            "Run this as the gateway's user, or give that user access to the folder.",
        )
    else:
        yield doctor.of_backlog(waiting.bytes, waiting.oldest_age)


def _permissions(config: Config) -> Iterator[Finding]:
    folder = config.data_dir
    known = {
        folder: _FOLDER,
        config.journal_dir: _FOLDER,
        folder / "limits.table": _FILE,
        folder / "limits.windows": _FILE,
        folder / "keys.json": _FILE,
        folder / "overrides.json": _FILE,
    }
    path = sqlite_file(config)
    if path is not None:
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            known[path.with_name(name)] = _FILE
    loose = []
    for one, wanted in known.items():
        try:
            mode = stat.S_IMODE(one.stat().st_mode)
        except OSError:
            continue
        if (finding := doctor.of_mode(one, mode, wanted)) is not None:
            loose.append(finding)
    # Nobody else reaches the files in a closed folder, whatever their own modes are.
    closed = not any(finding.what.startswith(f"{folder} ") for finding in loose)
    inside = path is None or folder in path.parents
    if loose and not (closed and inside):
        yield from loose
    elif folder.exists():
        yield ok("permissions", f"only the owner can open {folder}")


def _existing(folder: Path) -> Path:
    """The folder, or that in which it would be made."""
    return next(one for one in (folder, *folder.parents) if one.exists())


def _disk(folder: Path) -> Finding:
    existing = _existing(folder)
    return doctor.of_disk(existing, shutil.disk_usage(existing).free)


def extras(config: Config) -> Iterator[Finding]:
    """The packages that the configured providers need besides."""
    missing: dict[tuple[str, str, str], None] = {}
    for model in config.models.values():
        for deployment in model.deployments:
            auth = deployment.vendor.auth
            if auth == "sigv4" and deployment.options.get("access_key_id"):
                if not _found("botocore"):
                    missing[deployment.provider, "bedrock", "botocore"] = None
            elif auth == "google" and not _found("google.auth"):
                missing[deployment.provider, "vertex", "google-auth"] = None
    yield from doctor.of_extras(missing)
    yield doctor.of_schemas(checked=_found("jsonschema_rs"))


def budgeted(config: Config) -> Iterator[Finding]:
    """Whether the prices are known of all that the configuration's budgets count."""
    everything = any(one.budget_day or one.budget_month for one in config.allowances.values())
    models = [
        model
        for model in config.models.values()
        if model.price is None and (everything or model.budget_day or model.budget_month)
    ]
    if not models and not everything:
        return
    # Whoever tells what was charged needs no price.
    ways = [(model, one) for model in models for one in model.deployments if not one.vendor.bill]
    known = prices.lookup({(way.vendor.name, way.upstream_model) for _, way in ways})
    yield doctor.of_prices(
        {model.name for model, way in ways if (way.vendor.name, way.upstream_model) not in known}
    )


def local_model(config: Config) -> Iterator[Finding]:
    """The embedded model: its package and its weights, where a model that is served leads to it."""
    for model in config.models.values():
        for deployment in model.deployments:
            if deployment.vendor.dialect == "local":
                yield _local(config, deployment.provider)
                return


def _local(config: Config, provider: str) -> Finding:
    part = f"provider {provider}"
    if not installed():
        return problem(part, "llama.cpp is not installed", f"Run: {install('local')}")
    if config.local_weights:
        path = config.home / config.local_weights
        if path.is_file():
            return ok(part, f"llama.cpp and {path} are there")
        fix = f"Correct `weights` in [providers.{provider}]."
        return problem(part, f"the weights {path} are not there", fix)
    weights = find(config.data_dir)
    if weights is not None:
        return ok(part, f"llama.cpp and {weights} are there")
    return warning(
        part, "the weights have not been fetched; the first start does it", "callgate local fetch"
    )


def _found(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # the package around it is not there
        return False
