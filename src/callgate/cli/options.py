"""What the commands have in common: their options, the kinds of values, the way to fail."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

import click

from callgate.cli.listgroup import TOLD
from callgate.config import Config, ConfigError, load
from callgate.core import filters
from callgate.core.instant import instant, span
from callgate.core.keys import is_region

F = TypeVar("F", bound=Callable[..., Any])
V = TypeVar("V")

NOT_FOUND, USAGE = 1, 2

_WITH_SECRETS = ("serve", "check")
"""The commands that use the providers' keys."""

_LONGEST = 100 * 366 * 86_400_000
_MAX_LIMIT = 10**9
_NAME_LENGTH = 100


class Removed(Enum):
    """Said of what was given before and is to be taken away."""

    REMOVED = "default"

    def __str__(self) -> str:
        return self.value


REMOVED = Removed.REMOVED


class Failure(click.ClickException):
    """A failure that a person can fix: what is wrong, and `fix`, what to do about it."""

    exit_code = NOT_FOUND

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.fix = fix


class ConfigFailure(Failure):
    """A failure of the set-up or of the command's own arguments."""

    exit_code = USAGE


def duration(text: str) -> int:
    """A span such as `30s`, `15m`, `12h` or `90d` in milliseconds."""
    found = span(text.strip().lower())
    if found is None:
        raise click.BadParameter(f"{text!r} is not a duration; write 30s, 15m, 12h or 90d")
    if found > _LONGEST:
        raise click.BadParameter(f"{text!r} is longer than a hundred years")
    return found


def lifetime(text: str) -> int:
    """A duration above zero."""
    found = duration(text)
    if not found:
        raise click.BadParameter(f"{text!r} is zero; write 30s, 15m, 12h or 90d")
    return found


def moment_of(text: str) -> int:
    """A point in time, in Unix milliseconds: so long ago, or a date and time."""
    try:
        return instant(text.strip(), now_ms())
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from None


def sought(text: str) -> str:
    """A text to look for in records: anything that is UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise click.BadParameter("is not UTF-8") from None
    return text


def dollars(text: str) -> float:
    """US dollars, from a millionth to a million, such as `12.50`."""
    try:
        return filters.dollars(text)
    except ValueError as error:
        raise click.BadParameter(f"{text!r} {error}") from None


def label(text: str) -> str:
    """A name or account: printable, not empty, at most 100 characters."""
    text = text.strip()
    if not text or len(text) > _NAME_LENGTH or not text.isprintable():
        raise click.BadParameter("expected 1 to 100 printable characters")
    return text


def region_name(text: str) -> str:
    """A region's name, such as `us`."""
    if not is_region(text):
        raise click.BadParameter(f"{text!r} is not a region; regions look like 'us' or 'eu-west'")
    return text


def _limited(text: str, *, needed: bool) -> tuple[str, int | None]:
    """`MODEL=N` or, where the number is not needed, `MODEL`."""
    model, equals, number = text.rpartition("=")
    if not equals and not needed and text:
        return text, None
    if not model or not number.isascii() or not number.isdigit():
        raise click.BadParameter(f"{text!r}: write MODEL=N, where N is requests per 60 seconds")
    if not 1 <= int(number[:12]) <= _MAX_LIMIT:
        raise click.BadParameter(f"{text!r}: a limit must be between 1 and {_MAX_LIMIT}")
    return model, int(number)


def model_or_limit(text: str) -> tuple[str, int | None]:
    """`MODEL` or `MODEL=N`: the model, and the limit if there is one."""
    return _limited(text, needed=False)


def model_limit(text: str) -> tuple[str, int | None]:
    """`MODEL=N`: the model and its limit."""
    return _limited(text, needed=True)


def or_removed(kind: Callable[[str], V]) -> Callable[[str], V | Removed]:
    """A value of this kind, or `none`, which takes away what was given before."""
    return lambda text: REMOVED if text.strip().lower() == "none" else kind(text)


def limit_or_default(text: str) -> tuple[str, int | Removed | None]:
    """`MODEL=N`, or `MODEL=default` for no limit of its own."""
    model, _, word = text.rpartition("=")
    return (model, REMOVED) if model and word == "default" else model_limit(text)


def config_option(function: F) -> F:
    """Give the command a `config`, read from `--config FILE` or `./callgate.toml`."""
    return click.option(
        "--config",
        "config",
        metavar="FILE",
        type=click.Path(path_type=Path),
        callback=_loaded,
        help="The configuration file.  [default: ./callgate.toml, if it exists]",
    )(function)


def json_option(function: F) -> F:
    """Give the command an `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")(
        function
    )


def time_options(what: str) -> Callable[[F], F]:
    """Give the command a `since` and an `until`, both in Unix milliseconds or None."""

    def add(function: F) -> F:
        until = click.option(
            "--until", type=moment_of, metavar="TIME", help=f"Only {what} before then."
        )
        since = click.option(
            "--since",
            type=moment_of,
            metavar="TIME",
            help=f"Only {what} since then: 15m or 1h ago, 2026-01-31T12:00:00Z, …",
        )
        return since(until(function))

    return add


def in_order(since: int | None, until: int | None) -> None:
    """Raises click.BadParameter if the interval is empty."""
    if since is not None and until is not None and until <= since:
        raise click.BadParameter("is not after --since", param_hint="--until")


def limit_option(default: int | None, what: str) -> Callable[[F], F]:
    """Give the command a `limit`, None for no limit."""
    return click.option(
        "--limit",
        type=click.IntRange(min=1),
        metavar="N",
        default=default,
        show_default=default is not None,
        help=f"At most this many {what}.",
    )


def now_ms() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


def read(path: Path | None, *, secrets: bool = True) -> Config:
    """The configuration of a file and of this process's environment. Raises ConfigError."""
    return load(path, os.environ, secrets=secrets)


def _loaded(ctx: click.Context, _param: click.Parameter, path: Path | None) -> Config | None:
    if ctx.resilient_parsing:
        return None
    if path is None:
        path = ctx.meta.get(TOLD)
    try:
        return read(path, secrets=ctx.info_name in _WITH_SECRETS)
    except ConfigError as error:
        raise ConfigFailure(
            str(error), "Correct this, or name another file with --config."
        ) from None
