"""The configuration of a running gateway, read again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from callgate.cli.effect import in_effect
from callgate.cli.opening import try_counters, try_store
from callgate.cli.options import ConfigFailure
from callgate.config import Config, ConfigError
from callgate.config.bound import bind_local
from callgate.config.secrets import secrets_of
from callgate.local.process import LocalServer
from callgate.server import logs
from callgate.server.supervisor import ReloadError

_FIXED = ("region", "server.host", "server.port")
"""What a running gateway cannot change: its socket is open, and its region is in callers' keys."""


class Reloading:
    """Reads the configuration again, with the same command-line options.

    `read` reads it from its original place; `given` are the options that replace settings of
    `[server]`; `local` is the running local model.
    """

    def __init__(
        self,
        config: Config,
        read: Callable[[], Config],
        given: Mapping[str, object | None],
        local: LocalServer | None,
    ) -> None:
        self.config = config
        self._read = read
        self._given = given
        self._local = local

    def again(self) -> Config:
        """The configuration as it stands now. Raises ReloadError with every mistake in it."""
        try:
            fresh = overridden(self._read(), self._given)
        except ConfigError as error:
            raise ReloadError(str(error)) from None
        fixed = [name for name in _FIXED if _setting(fresh, name) != _setting(self.config, name)]
        if fresh.data_dir != self.config.data_dir:  # also if the file's link leads elsewhere now
            fixed.append("data_dir")
        if fixed:
            raise ReloadError(f"a change of {', '.join(fixed)} needs a restart")
        if not fresh.models and not in_effect(fresh).config.models:
            raise ReloadError("no model can be served: no provider is configured")
        if fresh.local_weights != self.config.local_weights:
            raise ReloadError("a change of the local model or its weights needs a restart")
        self._try_what_is_new(fresh)
        if self._local is not None:
            fresh = bind_local(fresh, self._local.origin, self._local.secret)
        logs.set_up(secrets_of(fresh))
        self.config = fresh
        return fresh

    def _try_what_is_new(self, fresh: Config) -> None:
        """Try a new store and new counters: if unusable, workers would go on with the old keys."""
        try:
            if _setting(fresh, "counters.url") != _setting(self.config, "counters.url"):
                try_counters(fresh)
            if fresh.store_url != self.config.store_url:
                try_store(fresh)
        except ConfigFailure as failure:
            raise ReloadError(failure.message) from None


def overridden(config: Config, given: Mapping[str, object | None]) -> Config:
    """The configuration with these settings of `[server]`; those that are None stay as they are."""
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    server = msgspec.structs.replace(config.settings.server, **changes)
    settings = msgspec.structs.replace(config.settings, server=server)
    return msgspec.structs.replace(config, settings=settings)


def _setting(config: Config, name: str) -> object:
    value: object = config.settings
    for step in name.split("."):
        value = getattr(value, step)
    return value
