"""The records of a configuration, opened for the length of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from callgate.cli.liverecords import LiveRecords
from callgate.cli.opening import demand_store, opened
from callgate.cli.options import Failure
from callgate.cli.output import note
from callgate.config import Config
from callgate.store.base import StoreError
from callgate.store.records import Records


@contextmanager
def reading(config: Config) -> Iterator[Records]:
    """The records of a configuration. Where the store is away, a note says so and why."""
    with ExitStack() as stack:
        log = None
        try:
            demand_store(config)
            log = stack.enter_context(opened(config)).requests
        except Failure as failure:
            click.echo(f"callgate: note: only the journals are read: {failure.message}", err=True)
            if failure.fix:
                click.echo(f"  {failure.fix}", err=True)
        with _told():
            yield Records(log, config.journal_dir)


@contextmanager
def following(config: Config) -> Iterator[LiveRecords]:
    """The records for whoever reads on, whether the store is there at the moment or not."""
    # Imported here, so that whoever only needs help or a version does not pay for the database.
    from callgate.store.opening import open_store_or_wait

    with ExitStack() as stack:
        log = None
        try:
            demand_store(config)
            store = open_store_or_wait(config.store_url)
            stack.callback(store.close)
            log = store.requests
        except Failure as failure:
            note(f"only the journals are read: {failure.message}")
        except StoreError as error:
            note(f"only the journals are read: {error}")
        with _told():
            yield LiveRecords(log, config.journal_dir, note)


@contextmanager
def _told() -> Iterator[None]:
    """What cannot be read, with the fix, as a failure of the command."""
    try:
        yield
    except StoreError as error:
        raise Failure(str(error)) from None
