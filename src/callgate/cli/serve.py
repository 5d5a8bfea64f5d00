"""`callgate serve`: the gateway itself."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sys
import time
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import click

from callgate.cli.effect import in_effect
from callgate.cli.keys import minted
from callgate.cli.local import fetch_shown
from callgate.cli.opening import opened, try_counters, try_store
from callgate.cli.options import ConfigFailure, Failure, config_option, now_ms, read
from callgate.cli.output import printable
from callgate.cli.reloading import Reloading, overridden
from callgate.cli.roles import roles
from callgate.cli.whereabouts import words
from callgate.config import Config
from callgate.config.bound import bind_local
from callgate.config.deployments import LOCAL
from callgate.config.overlay import overlaid
from callgate.config.secrets import secrets_of
from callgate.extras import install
from callgate.local.model import LocalModelError
from callgate.local.process import LocalServer
from callgate.local.watchdog import Watchdog
from callgate.local.weights import find
from callgate.server import logs
from callgate.server.folderlock import FolderLock
from callgate.server.retention import Calendar, steady
from callgate.server.supervisor import Supervisor
from callgate.store.base import Key, Keys, StoreError

_BACKLOG = 2048
_FRESH_KEY_MS = 86_400_000
_UNUSABLE_ADDRESS = {
    errno.EADDRINUSE: "Stop what listens there, or choose another `server.port` or --port.",
    errno.EACCES: "Choose a `server.port` or --port of 1024 or more.",
}


@click.command()
@config_option
@click.option("--host", help="Listen here instead of `server.host`.")
@click.option("--port", type=click.IntRange(0, 65535), help="Instead of `server.port`; 0: any.")
@click.option("--workers", type=click.IntRange(1, 256), help="Instead of `server.workers`.")
@click.option("--fresh-key", is_flag=True, help="Print a curl line with a key valid for a day.")
@click.option(
    "--beside", is_flag=True, help="Share the data folder while switching to a new version."
)
def serve(
    config: Config,
    host: str | None,
    port: int | None,
    workers: int | None,
    *,
    fresh_key: bool,
    beside: bool,
) -> None:
    """Start the gateway and run until it is told to stop."""
    # The supervisor handles it; sent any earlier, it must wait rather than end the process.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    given = {"host": host, "port": port, "workers": workers}
    config = overridden(config, given)
    if not config.models and not in_effect(config).config.models:
        raise _no_model(config)
    logs.set_up(secrets_of(config))
    try_counters(config)  # a server that is unusable from the start is a mistake, not an outage
    with ExitStack() as stack:
        listener = stack.enter_context(listen(config))
        lock = _hold(config, _url(listener), stack, beside=beside)
        _probe_folder(config)
        config, local = _with_local_model(config, stack)
        key, effect = _store_at_start(config, fresh=fresh_key)
        url = _url(listener)
        click.echo(f"Callgate listens on {url} (region {config.region}, {_served(effect)})")
        if key is not None and effect.models:
            click.echo(_curl_line(url, key, _model_to_try(effect)))
        sys.stdout.flush()
        reloading = Reloading(config, partial(read, config.file), given, local)
        sys.exit(_supervise(reloading, listener, local, lock))


def _no_model(config: Config) -> ConfigFailure:
    if config.file is not None:  # then variables add no providers
        return ConfigFailure(
            f"no model can be served: {config.file} leads to none",
            "Add a provider, such as [providers.openai] with its api_key, or [providers.local] "
            'with dialect = "local"; for a model not in the catalogue, also a [models."…"].',
        )
    return ConfigFailure(
        "no model can be served: no provider is configured",
        "Set OPENAI_API_KEY (or another provider's variable), install the local model with "
        f"`{install('local')}`, or write a callgate.toml.",
    )


def _probe_folder(config: Config) -> None:
    """Open what workers will open: otherwise they would crash again and again, callers waiting."""
    from callgate.store.journal.journal import Journal
    from callgate.store.leftovers import sweep
    from callgate.world import counters_for

    sweep(config.data_dir, config.metrics_dir, time.time())
    try:
        Journal(config.journal_dir).close()
        counters_for(config).close()
    except StoreError as error:
        raise ConfigFailure(str(error)) from None


def _hold(config: Config, url: str, stack: ExitStack, *, beside: bool) -> FolderLock | None:
    """Lock the data folder, which another gateway may hold. None if it cannot be written to:
    whatever needs it will say so.
    """
    if not config.data_dir.is_dir():
        try_store(config)  # report an unusable store before creating the folder
    try:
        lock = stack.enter_context(closing(FolderLock(config.data_dir)))
    except OSError:
        return None
    holder = lock.take(words(url))
    if holder is not None and not beside:
        raise ConfigFailure(
            f"another gateway serves from {config.data_dir}: {holder}",
            "Stop it, or give this one a `data_dir` of its own; the two count limits separately. "
            "To hand callers over from one to the other, start this one with --beside.",
        )
    return lock


def _supervise(
    reloading: Reloading,
    listener: socket.socket,
    local: LocalServer | None,
    lock: FolderLock | None,
) -> int:
    revive = None if local is None else Watchdog(local)

    def tick() -> None:
        if revive is not None:
            revive()
        if lock is not None:
            lock.take_again()

    own = os.getpid()  # before the first fork, so that even a late child notices that it is gone
    calendar = Calendar(time.time(), steady())  # for each clerk: a jump is one after a reload too
    config = reloading.config
    return Supervisor(
        roles(config, listener, own, calendar),
        grace=config.settings.server.drain + 1.0,
        reload=lambda: roles(reloading.again(), listener, own, calendar),
        tick=tick,
        at_stop=listener.close,
    ).run()


def listen(config: Config) -> socket.socket:
    """The socket that workers accept on. Raises ConfigFailure."""
    server = config.settings.server
    family = socket.AF_INET6 if ":" in server.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        if not server.host:  # which would be every address
            raise ValueError
        listener.bind((server.host, server.port))
    except (OSError, ValueError, TypeError) as error:  # an invalid host name may raise any of these
        listener.close()
        why, number = "not a valid host name", None
        if isinstance(error, OSError):
            why, number = error.strerror or str(error), error.errno
        raise ConfigFailure(
            f"cannot listen on {printable(server.host, 300)}:{server.port}: {why}",
            _UNUSABLE_ADDRESS.get(number or 0, "Correct `server.host` or --host."),
        ) from None
    listener.listen(_BACKLOG)
    return listener


def _with_local_model(config: Config, stack: ExitStack) -> tuple[Config, LocalServer | None]:
    """Start the local model, if one is configured, and put its address into its deployments."""
    if config.local_weights is None:
        return config, None
    try:
        local = stack.enter_context(LocalServer(_weights(config)))
    except LocalModelError as error:
        raise Failure(error.message, error.fix) from None
    return bind_local(config, local.origin, local.secret), local


def _weights(config: Config) -> Path:
    if config.local_weights:
        return config.home / config.local_weights
    if find(config.data_dir) is None:
        with opened(config, expected=False):
            pass  # report an unusable store before minutes of downloading
    return fetch_shown(config.data_dir)


def _store_at_start(config: Config, *, fresh: bool) -> tuple[str | None, Config]:
    """A key for the curl line if the store has none or one was asked for, and the configuration
    in effect.

    Keys and overrides are saved for the workers: the store may be away when they start.
    """
    from callgate.store.remembered import RememberedKeys, RememberedOverrides

    with opened(config, expected=False) as store:
        made = _new_key(store.keys, config.region, fresh=fresh)
        keys = store.keys.all()
        overrides = store.overrides.all()
        RememberedKeys(config.data_dir / "keys.json").write(keys)
        RememberedOverrides(config.data_dir / "overrides.json").write(overrides)
        return made, overlaid(config, overrides).config


def _new_key(keys: Keys, region: str, *, fresh: bool) -> str | None:
    """The key that was asked for, or the very first one; None if neither is needed."""
    if not fresh and keys.all():
        return None
    now = now_ms()
    text, key = minted(
        Key(
            id="",
            digest=b"",
            hint="",
            name="try-out" if fresh else "first",
            account="default",
            region=region,
            created=now,
            expires=now + _FRESH_KEY_MS if fresh else None,
        )
    )
    if fresh:
        keys.add(key)
    elif not keys.add_first(key):  # another gateway that starts at the same moment was faster
        return None
    return text


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _served(config: Config) -> str:
    count = len(config.models)
    return f"{count} model{'s' if count != 1 else ''}, process {os.getpid()}"


def _model_to_try(config: Config) -> str:
    """A model that the operator configured, else the local one, else any."""
    named = [name for name in config.settings.models if name in config.models]
    local = [
        name for name, model in config.models.items() if model.deployments[0].provider == LOCAL
    ]
    return (named + local + list(config.models))[0]


def _curl_line(url: str, key: str, model: str) -> str:
    body = f'{{"model": "{model}", "messages": [{{"role": "user", "content": "Say hello."}}]}}'
    return (
        f"Try: curl {url}/v1/chat/completions -H 'Authorization: {key}' "
        f"-H 'Content-Type: application/json' -d '{body}'"
    )
