"""The store and the counters of a configuration, opened for a command, or only tried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from callgate.cli.options import ConfigFailure, Failure
from callgate.cli.output import note
from callgate.config import Config
from callgate.store.base import Store, StoreError


@contextmanager
def opened(config: Config, *, expected: bool = True) -> Iterator[Store]:
    """The store, closed at the end. Where it is `expected` to be there and is made, a note says so.

    Raises ConfigFailure where it cannot be opened, and Failure where it fails within.
    """
    # Imported here, so that whoever only needs help or a version does not pay for the database.
    from callgate.store.opening import open_store

    new = _new(config.store_url) if expected else ""
    try:
        store = open_store(config.store_url)
    except StoreError as error:
        raise ConfigFailure(str(error)) from None
    if new:  # a key made in the wrong folder is known to no gateway
        note(
            f"a new store was made: {new}. If your gateway already has one, run this in its "
            "folder, or name its file with --config."
        )
    try:
        yield store
    except StoreError as error:
        raise Failure(str(error)) from None
    finally:
        store.close()


def try_store(config: Config) -> None:
    """Open the store, and close it. Raises ConfigFailure where that fails."""
    with opened(config, expected=False):
        pass


def try_counters(config: Config) -> None:
    """Ask the server that counts limits, if any. Raises ConfigFailure where it is of no use."""
    from callgate.store.counters.opening import probe_counters

    try:
        probe_counters(config.settings.counters.url, region=config.region)
    except StoreError as error:
        raise ConfigFailure(str(error)) from None


def demand_store(config: Config) -> None:
    """Raise Failure where a file is to be the store and is not there: whoever reads in the wrong
    folder is to be told so, not given an empty store.
    """
    if new := _new(config.store_url):
        raise Failure(
            f"there is no store at {new}",
            "Run this in the gateway's folder, or name its file with --config.",
        )


def _new(url: str) -> str:
    """Where a store is about to be made; empty where there is one, or a server has it."""
    path = url.removeprefix("sqlite:///")
    return "" if path == url or Path(path).exists() else path
