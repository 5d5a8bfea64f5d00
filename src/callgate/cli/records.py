"""The records of a configuration, opened for the length of one command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import click

from callgate.cli.opening import opened
from callgate.cli.options import Failure
from callgate.config import Config
from callgate.store.records import Records


@contextmanager
def reading(config: Config) -> Iterator[Records]:
    """The records of a configuration. Where the store is away, a note says so and why."""
    with ExitStack() as stack:
        log = None
        try:
            _demand_store(config)
            log = stack.enter_context(opened(config)).requests
        except Failure as failure:
            click.echo(f"callgate: note: only the journals are read: {failure.message}", err=True)
            if failure.fix:
                click.echo(f"  {failure.fix}", err=True)
        yield Records(log, config.journal_dir)


def _demand_store(config: Config) -> None:
    # Whoever reads in the wrong folder is to be told so, not given an empty store.
    path = config.store_url.removeprefix("sqlite:///")
    if path != config.store_url and not Path(path).exists():
        raise Failure(
            f"there is no store at {path}",
            "Run this in the gateway's folder, or name its file with --config.",
        )
