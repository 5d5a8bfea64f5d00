"""`callgate demo`: a real model answers through a real gateway, and what is kept of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import click

from callgate.cli.local import fetch_shown
from callgate.cli.options import Failure, config_option
from callgate.cli.throwaway import Throwaway, throwaway
from callgate.config import Config
from callgate.extras import install
from callgate.local.model import SMOLLM2, installed

_MODEL = SMOLLM2.name
_QUESTION = "Name three fruits."
_STREAMED = "Why is the sky blue?"
_HEADERS = (
    "X-Request-Id",
    "X-RateLimit-Limit",
    "X-RateLimit-Remaining",
    "X-RateLimit-Reset",
    "Server-Timing",
)
_MISTAKES = (
    ("max_tokens below 1", 400, {"model": _MODEL, "max_tokens": 0}),
    ("a misspelt model", 404, {"model": _MODEL.replace("instruct", "instrukt")}),
)
_NEXT = (
    ("make run", "the same gateway, to stay; it prints a curl line to paste"),
    ("OPENAI_API_KEY=sk-… make run", "with OpenAI's models beside the local one"),
    ("{callgate} keys create --name app", "a key for an application"),
    ("{callgate} logs --follow", "every request as it comes"),
)


@click.command()
@config_option
def demo(config: Config) -> None:
    """Ask a real model a question through a real gateway, and see what is recorded.

    Nothing stays but the model's weights in the data folder, and nothing leaves this machine.
    """
    if not installed():
        raise Failure("the local model's extra is not installed", f"Run {install('local')}.")
    # An order to end goes the way of an exception, so that the gateway does not stay behind.
    signal.signal(signal.SIGTERM, lambda number, _frame: sys.exit(128 + number))
    weights = fetch_shown(config.data_dir)
    started = time.monotonic()
    click.echo(f"Starting a gateway with {SMOLLM2.display_name}, a small model on this machine …")
    with throwaway(weights) as gateway:
        click.echo(f"It listens on {gateway.url} after {time.monotonic() - started:.1f} s.")
        _ask(gateway)
        request_id = _ask_streamed(gateway)
        _heading("The story of that request, as `callgate show` tells it")
        gateway.command("show", request_id)
        _err(gateway)
    click.echo()
    click.echo("That gateway and its records are gone; what a gateway of yours answers stays.")
    _heading("What next")
    steps = [(command.format(callgate=_program()), purpose) for command, purpose in _NEXT]
    width = max(len(command) for command, _ in steps)
    for command, purpose in steps:
        click.echo(f"  {command:<{width}}  {purpose}")


def _ask(gateway: Throwaway) -> None:
    _heading(f"A question: {_QUESTION}")
    with gateway.chat(_question(_QUESTION)) as response:
        answer = _json(gateway, response, 200)
    click.echo(_indented(_text(answer["choices"][0]["message"].get("content"))))
    if not answer["choices"][0]["message"].get("content"):
        raise gateway.failure("the model answered nothing")
    usage = answer["usage"]
    tokens = f"{usage['prompt_tokens']} tokens read, {usage['completion_tokens']} written"
    click.echo(_dim(f"  {tokens}, {answer['response_time'] / 1e9:.2f} s"))
    _tell_headers(response)


def _ask_streamed(gateway: Throwaway) -> str:
    """Ask, print the answer as it arrives, and give the request's id."""
    _heading(f"Another one, streamed: {_STREAMED}")
    asked = time.monotonic()
    pieces = 0
    first = 0.0
    with gateway.chat({**_question(_STREAMED), "stream": True}) as response:
        if response.status != 200:
            _json(gateway, response, 200)
        click.echo("  ", nl=False)
        for piece in _pieces(gateway, response):
            pieces += 1
            first = first or time.monotonic() - asked
            click.echo(_text(piece).replace("\n", "\n  "), nl=False)
    click.echo()
    if not pieces:
        raise gateway.failure("the model streamed nothing")
    whole = time.monotonic() - asked
    click.echo(_dim(f"  first piece after {first:.2f} s, {pieces} pieces in {whole:.2f} s"))
    _tell_headers(response)
    return response.headers["X-Request-Id"]


def _pieces(gateway: Throwaway, response: HTTPResponse) -> Iterator[str]:
    """The text of a stream of server-sent events. Raises Failure unless the stream ends well."""
    for line in response:
        if not line.startswith(b"data:"):
            continue
        data = line.removeprefix(b"data:").strip()
        if data == b"[DONE]":
            return
        event = json.loads(data)
        if "error" in event:
            raise gateway.failure(f"the stream failed: {event['error'].get('message')}")
        for choice in event["choices"]:
            if content := choice["delta"].get("content"):
                yield content
    raise gateway.failure("the stream was cut before its end")


def _err(gateway: Throwaway) -> None:
    _heading("Mistakes on purpose")
    for what, status, body in _MISTAKES:
        with gateway.chat({**_question(_QUESTION), **body}) as response:
            error = _json(gateway, response, status)["error"]
        metadata = error["metadata"]
        click.echo(f"  {what}: {response.status} {error['type']}, {_text(error['message'])}")
        click.echo(f"    cause    {_text(metadata['cause'])}")
        click.echo(f"    fix      {_text(metadata['fix'])}")
        click.echo(_dim(f"    request  {response.headers['X-Request-Id']}"))


def _question(text: str) -> dict[str, Any]:
    return {
        "model": _MODEL,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": 120,
        "temperature": 0,
        "stop": ["\n\n"],
    }


def _json(gateway: Throwaway, response: HTTPResponse, status: int) -> dict[str, Any]:
    body: dict[str, Any] = json.load(response)
    if response.status != status:
        said = f"{response.status} {_text(body.get('message'))}"
        raise gateway.failure(f"expected status {status}, but the gateway answered {said}")
    return body


def _tell_headers(response: HTTPResponse) -> None:
    for name in _HEADERS:
        click.echo(_dim(f"  {name}: {response.headers.get(name, '-')}"))


def _heading(text: str) -> None:
    click.echo()
    click.echo(click.style(text, bold=True))


def _program() -> str:
    """What to type for this command: its path where a shell would not find it by name."""
    if shutil.which("callgate"):
        return "callgate"
    if Path(sys.argv[0]).name == "__main__.py":
        return f"{os.path.relpath(sys.executable)} -m callgate"
    return os.path.relpath(sys.argv[0])


def _text(value: object) -> str:
    """Foreign text without anything that a terminal would obey."""
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in str(value or ""))


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _dim(text: str) -> str:
    return click.style(text, dim=True)
