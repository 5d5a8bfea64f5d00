"""A group of commands about one kind of thing, which lists these where no command is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

TOLD = "callgate.config"
"""Where `ctx.meta` holds the configuration file that the group was told."""

_LIST = "list"


class ListGroup(click.Group):
    """`callgate models --all` is `callgate models list --all`; one of the commands is `list`.

    `--config` may stand before the command, too.
    """

    def __init__(self, *args: Any, **extra: Any) -> None:
        super().__init__(*args, **extra)
        self.subcommand_metavar = "[COMMAND [ARGS]...]"
        self.epilog = "Without a command: list."
        self.params.append(
            click.Option(
                ["--config"],
                metavar="FILE",
                type=click.Path(path_type=Path),
                expose_value=False,
                callback=_remember,
                help="The configuration file.  [default: ./callgate.toml, if it exists]",
            )
        )

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `list` before options that stand alone."""
        wants_help = set(ctx.help_option_names).intersection(args)
        bare = not args or args[0].startswith("-")
        if bare and not wants_help and not set(self.commands).intersection(args):
            args = [_LIST, *args]
        return super().parse_args(ctx, args)


def _remember(ctx: click.Context, _param: click.Parameter, path: Path | None) -> None:
    if path is not None:
        ctx.meta[TOLD] = path
