"""`callgate chaos`: a provider that misbehaves, to point a client or a gateway at."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import click

from callgate.chaos.faults import FAULTS, Fault
from callgate.chaos.server import Chaos
from callgate.cli.options import ConfigFailure, json_option
from callgate.cli.output import json_line, printable, table

PORT = 9900
BASES = {"openai": "/v1", "anthropic": "/v1", "gemini": "/v1beta", "bedrock": "", "cohere": "/v2"}
"""Each dialect and the path of its base URL."""

_EXAMPLES = ("ok", "503-always", "cut-mid-answer", "stall")


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Listen here.")
@click.option(
    "--port", type=click.IntRange(0, 65535), default=PORT, show_default=True, help="0: any."
)
@click.option(
    "--pace",
    type=click.IntRange(0, 60_000),
    default=20,
    show_default=True,
    metavar="MS",
    help="Milliseconds between two words of a stream.",
)
@click.option("--toml", is_flag=True, help="Print a callgate.toml with every fault, and exit.")
@json_option
def chaos(host: str, port: int, pace: int, *, toml: bool, as_json: bool) -> None:
    """Serve every fault of a provider, by model name, in every dialect.

    With --json the faults are listed, and nothing is served.
    """
    if as_json:
        for fault in FAULTS.values():
            json_line(_row(fault))
    elif toml:
        click.echo(snippet(Chaos(host, port).url, tuple(FAULTS)), nl=False)
    else:
        try:
            asyncio.run(_serve(Chaos(host, port, pace=pace / 1000)))
        except (OSError, UnicodeError) as error:  # of a name that cannot be one, it is the latter
            reason = "not a valid host name"
            if isinstance(error, OSError):
                number = error.errno or 0  # a resolver's are below
                reason = os.strerror(number) if number > 0 else error.strerror or str(error)
            raise ConfigFailure(
                f"cannot listen on {printable(host, 300)} port {port}: {reason}",
                "Choose another address with --host or --port.",
            ) from None


def snippet(url: str, models: tuple[str, ...] = _EXAMPLES) -> str:
    """A configuration in which the chaos upstream is a provider in each dialect."""
    lines: list[str] = []
    for dialect, base in BASES.items():
        lines += [
            f"[providers.chaos-{dialect}]",
            f'dialect = "{dialect}"',
            f'base_url = "{url}{base}"',
            "",
        ]
    for model in models:
        lines += [f"[models.{json.dumps(model)}]", 'provider = "chaos-openai"', ""]
    return "\n".join(lines)


async def _serve(chaos: Chaos) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with chaos:
        _introduce(chaos.url)
        await stop.wait()


def _introduce(url: str) -> None:
    table(("MODEL", "WHAT IT DOES"), ((fault.shown, _told(fault)) for fault in FAULTS.values()))
    click.echo(
        "\nThe number may be left out. Anything may precede a colon: claude-sonnet-4-5:stall"
    )
    click.echo("\nFor callgate.toml (--toml prints one with every model):\n")
    click.echo(snippet(url))
    body = '{"model": "stall", "stream": true, "messages": [{"role": "user", "content": "Go."}]}'
    click.echo(
        f"Try: curl -N {url}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'"
    )
    click.echo(f"\nThe chaos upstream listens on {url}; Ctrl-C ends it.")
    sys.stdout.flush()


def _told(fault: Fault) -> str:
    return f"{fault.tells}  [{fault.parameter.default:g}]" if fault.parameter else fault.tells


def _row(fault: Fault) -> dict[str, object]:
    parameter = fault.parameter._asdict() if fault.parameter else None
    return {"model": fault.name, "tells": fault.tells, "parameter": parameter}
