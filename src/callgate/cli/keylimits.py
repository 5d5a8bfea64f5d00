"""Limits of models as options give them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import click

from callgate.cli.effect import in_effect
from callgate.cli.output import note, printable
from callgate.config import Config
from callgate.errors import GatewayError

V = TypeVar("V")


def overrides(pairs: Iterable[tuple[str, V | None]]) -> dict[str, V]:
    """The limit of each model that is given one. Raises UsageError where one is given two."""
    limits: dict[str, V] = {}
    for model, limit in pairs:
        if limit is not None and limits.setdefault(model, limit) != limit:
            raise click.UsageError(f"model {model!r} has two limits, {limits[model]}, {limit}")
    return limits


def warn_of_unknown(config: Config, names: Iterable[str]) -> None:
    """Tell of names that mean nothing now; they are kept, as models may come later."""
    wanted = dict.fromkeys(names)
    if not wanted:
        return
    directory = in_effect(config).config.directory
    for name in wanted:
        try:
            directory.find(name)
        except GatewayError as error:
            note(printable(error.message))
