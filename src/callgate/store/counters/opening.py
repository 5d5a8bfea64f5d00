"""Opens the counters that `counters.url` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from uuid import uuid4

from callgate.extras import install
from callgate.store.base import Caution, Counters, StoreError
from callgate.store.counters.handover import HandoverCounters
from callgate.store.counters.link import Command
from callgate.store.counters.mapped import MappedCounters
from callgate.store.counters.roster import Roster
from callgate.store.counters.scripts import DRAW

if TYPE_CHECKING:
    from callgate.store.counters.redis import RedisLink

SERVERS = ("redis", "rediss", "unix")
"""The schemes of a URL that names a server."""


def open_counters(url: str, *, region: str, workers: int, timeout: float, table: Path) -> Counters:
    """The counters of one process; nothing is connected before they are started.

    In memory where one worker counts alone, which leaves a file beside `table` to the next; else in
    `table`, a file that all workers map; or on the server of the URL, for whose answer a request
    waits `timeout` seconds. Raises StoreError where the file cannot be opened, or the driver is not
    installed.
    """
    if _scheme(url) not in SERVERS:
        left = table.with_suffix(".windows")
        # What the other kind has left is out of date from now on.
        if workers > 1:
            left.unlink(missing_ok=True)
            return MappedCounters(table)
        table.unlink(missing_ok=True)
        return HandoverCounters(left)
    link = _link(url)
    from callgate.store.counters.redis import key_of
    from callgate.store.counters.remote import RemoteCounters

    prefix = _prefix(region)
    return RemoteCounters(
        link,
        key=lambda account, name: key_of(prefix, account, name),
        process=str(uuid4()),
        processes=f"{prefix}:processes",
        workers=workers,
        timeout=timeout,
        roster=Roster(table.with_suffix(".processes")),
    )


class Probed(NamedTuple):
    """A server that can be used: its address as it may be shown, and what to know of it."""

    server: str
    caution: Caution | None


def probe_counters(url: str, *, region: str) -> Probed | None:
    """Whether the server that counts answers and lets itself be used; None where no server counts.

    Blocks for some seconds at most. Raises StoreError, which names the setting and the fix.
    """
    if _scheme(url) not in SERVERS:
        return None
    link = _link(url)
    from callgate.store.counters.redis import key_of, probe, shown

    # As a reservation does it, writing, but of nothing.
    trial = Command(DRAW, (key_of(_prefix(region), "", "probe"),), (0, 0, 0, 1, 0))
    return Probed(shown(url), probe(link, trial))


def _scheme(url: str) -> str:
    return url.partition(":")[0]


def _prefix(region: str) -> str:
    return f"callgate:{region}"


def _link(url: str) -> RedisLink:
    try:
        from callgate.store.counters.redis import RedisLink
    except ModuleNotFoundError as error:
        raise StoreError(
            f"counters.url: the package {error.name!r} is not installed; run: {install('redis')}"
        ) from None
    return RedisLink(url)
