"""The configuration as gateways on its store have it in effect."""

from __future__ import annotations

from contextlib import closing

from callgate.cli.output import note, printable
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


def note_if_unloaded(config: Config) -> None:
    """A note where the gateway that runs from the data folder has not loaded the configuration."""
    # Imported here, for those commands alone that ask.
    from callgate.cli.whereabouts import readiness, running_url

    url = running_url(config)
    answer = None if url is None else readiness(url)
    for one in (answer or {}).get("findings", ()):
        if one["part"] == "configuration":
            why, fix = printable(one["why"], 1000), printable(one["fix"], 300)
            note(f"the gateway at {url} may go by other values: its configuration is {why}. {fix}")
