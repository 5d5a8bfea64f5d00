"""The configuration as gateways on its store have it in effect."""

from __future__ import annotations

from contextlib import closing

from callgate.cli.output import note
from callgate.config import Config
from callgate.config.laying import Laid, laid
from callgate.store.base import StoreError


def in_effect(config: Config) -> Laid:
    """With what is set in the store; makes no store. Where it does not answer, a note says so."""
    # Imported here, so that whoever only needs help does not pay for the database.
    from callgate.store.opening import is_made, open_store

    try:
        if not is_made(config.store_url):
            return Laid(config)
        with closing(open_store(config.store_url)) as store:
            return laid(config, store.overrides.all())
    except StoreError as error:
        note(f"what is set in the store is not known, this is the configuration alone: {error}")
        return Laid(config)
