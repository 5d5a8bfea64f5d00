"""How the command line prints: JSON lines, tables, moments, and nothing a terminal would obey."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from callgate.core.jsontext import inert

# Controls, and the marks that reorder or hide text.
_UNSAFE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
_ESCAPES = {"\n": "\\n", "\t": "\\t", "\r": "\\r"}
_LAST_MS = 253_402_300_799_999  # the end of the year 9999


def json_line(value: Any) -> None:
    """Print a value as one line of JSON."""
    click.echo(inert(msgspec.json.encode(value).decode()))


def note(text: str) -> None:
    """Tell of something that is no failure, on standard error."""
    click.echo(f"callgate: note: {text}", err=True)


def printable(text: str, limit: int = 2000) -> str:
    """Foreign text made safe for a terminal: one line, controls escaped, cut at `limit`."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return _UNSAFE.sub(_escape, cut)


def moment(unix_ms: int) -> str:
    """Unix milliseconds as UTC, `2025-01-31 12:00:00.000Z`."""
    whole, rest = divmod(min(max(unix_ms, 0), _LAST_MS), 1000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{rest:03d}Z"


def day(unix_ms: int | None) -> str:
    """Unix milliseconds as UTC to the minute, or a dash for none."""
    return "-" if unix_ms is None else moment(unix_ms)[:16] + "Z"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> None:
    """Print rows in aligned columns under a head; cells may be styled.

    The last `numbers` columns are aligned at their right.
    """
    left = len(head) - numbers
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(width(row[at]) for row in cells) for at in range(len(head))]
    for number, row in enumerate(cells):
        gaps = [" " * (room - width(cell)) for cell, room in zip(row, widths, strict=True)]
        line = "  ".join(
            cell + gap if at < left else gap + cell
            for at, (cell, gap) in enumerate(zip(row, gaps, strict=True))
        ).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def width(text: str) -> int:
    """How many columns the text takes on a terminal, styles aside."""
    plain = click.unstyle(text)
    if plain.isascii():
        return len(plain)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in plain
    )


def status_style(status: int) -> str:
    """The status, coloured by its class."""
    colour = {2: "green", 4: "yellow", 5: "red"}.get(status // 100, "white")
    return click.style(str(status), fg=colour, bold=status >= 500)


def _escape(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _ESCAPES.get(character) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")
