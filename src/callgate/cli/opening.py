"""The store of a configuration, opened for the length of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from callgate.cli.options import ConfigFailure, Failure
from callgate.config import Config
from callgate.store.base import Store, StoreError


@contextmanager
def opened(config: Config) -> Iterator[Store]:
    """The store, closed at the end.

    Raises ConfigFailure where it cannot be opened, and Failure where it fails within.
    """
    # Imported here, so that whoever only needs help or a version does not pay for the database.
    from callgate.store.opening import open_store

    try:
        store = open_store(config.store_url)
    except StoreError as error:
        raise ConfigFailure(str(error)) from None
    try:
        yield store
    except StoreError as error:
        raise Failure(str(error)) from None
    finally:
        store.close()
