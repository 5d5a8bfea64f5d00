"""Which secrets a configuration holds: what must stand in no log, finding or bundle."""

from __future__ import annotations

from collections.abc import Iterator

from callgate.config.load import Config
from callgate.core.secret import Secret, secrets_of_url


def secrets_of(config: Config) -> list[Secret]:
    """Every secret that the configuration holds, once.

    Providers' credentials, of those that no model leads to as well; the passwords in URLs and of
    proxies; what `/metrics` and the receiver of traces are asked with. A variable that was left
    standing is none.
    """
    found = dict.fromkeys(one for one in _held(config) if one and not one.startswith("${"))
    return [Secret(one) for one in found]


def _held(config: Config) -> Iterator[str]:
    settings = config.settings
    for table in settings.providers.values():
        yield from (table.api_key, table.session_token, table.access_key_id)
    if config.providers is not None:  # those of the environment have no table
        yield from (one.reveal() for one in config.providers.secrets)
    for model in config.models.values():
        for one in model.deployments:  # the local model's key is made when it starts
            yield from (one.secret.reveal(), one.session_token.reveal())
            yield one.options.get("access_key_id", "")
    for url in (config.store_url, settings.counters.url, settings.traces.endpoint):
        yield from (one.reveal() for one in secrets_of_url(url))
    for proxy in (config.network.proxies.http, config.network.proxies.https):
        if proxy is not None:
            yield from (one.reveal() for one in proxy.secrets)
    yield settings.metrics.token
    yield from settings.traces.headers.values()
