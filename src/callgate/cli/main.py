"""The command `callgate`: a table of subcommands, each imported when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.metadata import version
from typing import Any, NamedTuple, NoReturn

import click

from callgate.cli.build import compiled

_FAILED, _UNUSABLE = 1, 2
_NO_COMMAND = "No such command"  # the one mistake that the list of commands helps with
_INTERRUPTED = 130  # 128 + SIGINT, as shells count


_MENDING: dict[type[OSError], str] = {
    PermissionError: "Run this as the gateway's user, or give this user access to the file.",
    FileNotFoundError: "Create its folder first, or name another.",
}
_MENDING_REST = "Check the disk for free space, and the folder for permissions."


class Entry(NamedTuple):
    """Where a subcommand is and what it is for, so that help need not import it."""

    module: str
    attribute: str
    help: str


COMMANDS = {
    "serve": Entry("callgate.cli.serve", "serve", "Start the gateway."),
    "demo": Entry("callgate.cli.demo", "demo", "Ask a real model a question through the gateway."),
    "local": Entry("callgate.cli.local", "local", "Download the local model's weights."),
    "keys": Entry("callgate.cli.keys", "keys", "Create, list, change, revoke and rotate keys."),
    "models": Entry(
        "callgate.cli.models", "models", "List the models that can be called, and change them."
    ),
    "accounts": Entry(
        "callgate.cli.accounts", "accounts", "List accounts and change their limits."
    ),
    "check": Entry("callgate.cli.check", "check", "Find what is wrong with the set-up."),
    "show": Entry("callgate.cli.show", "show", "Explain one request in full."),
    "why": Entry("callgate.cli.why", "why", "Explain a failure: the newest, or one by id."),
    "logs": Entry("callgate.cli.logs", "logs", "List requests, or follow them as they come."),
    "bundle": Entry("callgate.cli.bundle", "bundle", "Pack what support needs into one file."),
    "replay": Entry("callgate.cli.replay", "replay", "Run a captured request again."),
    "usage": Entry("callgate.cli.usage", "usage", "Total requests, tokens and cost."),
    "chaos": Entry("callgate.cli.chaos", "chaos", "Serve a provider that misbehaves."),
}


class LazyGroup(click.Group):
    """A group whose commands stand in `COMMANDS`, and whose errors are told as `callgate: …`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        command: click.Command = getattr(import_module(entry.module), entry.attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from difflib import get_close_matches

            near = get_close_matches(args[0], COMMANDS, n=1)
            if not near or not error.message.startswith(_NO_COMMAND):
                raise
            told = f"{error.message} Did you mean {near[0]!r}?"
            raise click.UsageError(told, ctx) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def main(self, *args: Any, **extra: Any) -> NoReturn:
        """Run, and leave the process with the exit code of the outcome."""
        run: Any = super().main
        try:
            # Outside standalone mode click returns an exit code, or what the command returned.
            result = run(*args, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            _tell(error)
            sys.exit(error.exit_code)
        except OSError as error:
            _tell_of_file(error)
            sys.exit(_UNUSABLE if isinstance(error, PermissionError) else _FAILED)
        except click.Abort:
            sys.exit(_INTERRUPTED)
        sys.exit(result if isinstance(result, int) else 0)


def _tell(error: click.ClickException) -> None:
    for line in error.format_message().splitlines():
        click.echo(f"callgate: {line}", err=True)
    fix = getattr(error, "fix", "")
    if isinstance(error, click.UsageError) and error.ctx is not None:
        fix = f"See '{error.ctx.command_path} --help'."
        group = error.ctx.command
        if isinstance(group, click.Group) and error.message.startswith(_NO_COMMAND):
            fix = f"There are: {', '.join(group.list_commands(error.ctx))}."
    if fix:
        click.echo(f"  {fix}", err=True)


def _tell_of_file(error: OSError) -> None:
    """What no command expected of the system: a file without rights, a full disk."""
    about = f"{error.filename}: " if error.filename else ""
    click.echo(f"callgate: {about}{error.strerror or error}", err=True)
    click.echo(f"  {_MENDING.get(type(error), _MENDING_REST)}", err=True)


def _tell_version(context: click.Context, _: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        click.echo(f"callgate {version('callgate')}" + (" (compiled)" if compiled() else ""))
        context.exit()


@click.command(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_tell_version,
    help="Show the version and exit.",
)
def callgate() -> None:
    """A self-hosted LLM gateway whose every call can be explained from its request_id."""
