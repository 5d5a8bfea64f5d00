"""The configuration as gateways on its store have it in effect."""

from __future__ import annotations

from contextlib import closing

from callgate.cli.output import note
from callgate.config import Config
from callgate.config.overlay import Overlaid, overlaid
from callgate.store.base import StoreError


def in_effect(config: Config) -> Overlaid:
    """With what is set in the store; makes no store. Where it does not answer, a note says so."""
    # Imported here, so that whoever only needs help does not pay for the database.
    from callgate.store.opening import is_made, open_store

    try:
        if not is_made(config.store_url):
            return Overlaid(config)
        with closing(open_store(config.store_url)) as store:
            return overlaid(config, store.overrides.all())
    except StoreError as error:
        note(f"the settings in the store are unknown, so this is the configuration alone: {error}")
        return Overlaid(config)
