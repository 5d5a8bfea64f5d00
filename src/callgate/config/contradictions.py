"""Settings that are each sound but not together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from urllib.parse import urlsplit

from callgate.config.settings import RetryTable, Settings, TracesTable, UpstreamTable
from callgate.core.forwarded import networks_of
from callgate.extras import install

_SHORTEST_HANG = 2.0  # workers show life twice a second
_PAGE = re.compile(r"https?://\S{1,2000}")


def contradictions(settings: Settings) -> Iterator[str]:
    """One line for each, which names the setting to correct.

    A limit that is lowered below a default of another one is no mistake: the default gives way.
    """
    store = settings.store.url.partition(":")[0].partition("+")[0]
    if store not in ("", "sqlite", "postgresql", "postgres"):
        yield f"store.url: expected 'sqlite:///…' or 'postgresql://…', got {store[:20]!r}"
    if not _counts(settings.counters.url):
        yield (
            "counters.url: expected 'memory:', 'redis://host:6379/0', 'rediss://host:6379/0' or "
            "'unix:///path/to/redis.sock'"
        )
    if 0 < settings.server.hang_timeout < _SHORTEST_HANG:
        yield (
            f"server.hang_timeout: {settings.server.hang_timeout:g} s would end workers that are "
            f"only busy; give {_SHORTEST_HANG:g} s or more, or 0 to end none"
        )
    yield from _pages(settings)
    yield from _proxies(settings.server.trusted_proxies)
    yield from _traces(settings.traces)
    yield from _retry(settings.retry)
    yield from _upstream(settings.upstream)


def _counts(url: str) -> bool:
    """Whether a URL may name counters. Nothing of it is ever quoted: it may carry a password."""
    try:
        parts = urlsplit(url)
        named = {"memory": True, "redis": parts.hostname, "rediss": parts.hostname}
        return bool({**named, "unix": parts.path}.get(parts.scheme)) and parts.port != 0
    except ValueError:
        return False


def _pages(settings: Settings) -> Iterator[str]:
    """Addresses that people are told: what is no address helps nobody."""
    support = settings.support
    told = {
        "support.docs_url": support.docs_url,
        "support.status_url": support.status_url,
        **{f"region_endpoints.{name}": url for name, url in settings.region_endpoints.items()},
    }
    for key, url in told.items():
        if url and "${" not in url and _PAGE.fullmatch(url) is None:
            yield f"{key}: expected a URL that starts with http:// or https://, got {url[:200]!r}"


def _proxies(entries: list[str]) -> Iterator[str]:
    for at, entry in enumerate(entries):
        if "${" in entry:  # a variable that is not set, and that this command can do without
            continue
        try:
            networks_of(entry)
        except ValueError as error:
            yield f"server.trusted_proxies[{at}]: {error}"


def _traces(traces: TracesTable) -> Iterator[str]:
    if not traces.endpoint:
        return
    if urlsplit(traces.endpoint).scheme not in ("http", "https"):
        yield "traces.endpoint: expected the address of a collector, 'http://host:4318'"
    try:
        there = find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        there = False
    if not there:
        yield f"traces.endpoint: needs an extra; install it with `{install('otel')}`"


def _retry(retry: RetryTable) -> Iterator[str]:
    usual = RetryTable()
    if retry.base > retry.longest and retry.base != usual.base:
        yield (
            f"retry.base: the first wait of up to {retry.base:g} s is above retry.longest, "
            f"the longest of all, {retry.longest:g} s"
        )
    if retry.per_target > retry.attempts and retry.per_target != usual.per_target:
        yield (
            f"retry.per_target: {retry.per_target} attempts at one target are more than "
            f"retry.attempts allows in all, {retry.attempts}"
        )
    for name in ("retry_after", "longest"):
        wait = getattr(retry, name)
        if wait > retry.seconds and wait != getattr(usual, name):
            yield (
                f"retry.{name}: a wait of {wait:g} s never begins, because "
                f"retry.seconds ends all waiting after {retry.seconds:g} s"
            )


def _upstream(upstream: UpstreamTable) -> Iterator[str]:
    usual = UpstreamTable()
    kept, most = upstream.max_idle_connections, upstream.max_connections
    if kept > most and kept != usual.max_idle_connections:
        yield (
            f"upstream.max_idle_connections: {kept} connections cannot be kept where "
            f"upstream.max_connections allows {most}"
        )
