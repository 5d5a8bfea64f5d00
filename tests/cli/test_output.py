"""Printing: foreign text is tamed, columns line up, moments are UTC."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.cli.output import day, json_line, moment, printable, table, width


@given(st.text())
def test_nothing_printable_moves_a_cursor(text: str) -> None:
    shown = printable(text)
    assert len(shown.splitlines()) <= 1
    assert not any(0x7F <= ord(c) < 0xA0 or ord(c) < 0x20 for c in shown)
    shown.encode()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünïcode 漢字", "plain, ünïcode 漢字"),
        ("a\nb\tc\r", "a\\nb\\tc\\r"),
        ("\x1b[2J\x9b", "\\x1b[2J\\x9b"),
        ("\u202eevil\u200b", "\\u202eevil\\u200b"),
    ],
)
def test_what_could_command_a_terminal_is_shown_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_printable_is_cut() -> None:
    assert printable("x" * 100, 10) == "x" * 9 + "…"


def test_moments_are_utc_and_bounded() -> None:
    assert moment(1_700_000_000_123) == "2023-11-14 22:13:20.123Z"
    assert (day(1_700_000_000_123), day(None)) == ("2023-11-14 22:13Z", "-")
    assert moment(-1) == "1970-01-01 00:00:00.000Z"
    assert moment(10**30) == "9999-12-31 23:59:59.999Z"


def test_columns_line_up_for_styles_and_wide_characters(capsys: pytest.CaptureFixture[str]) -> None:
    table(["A", "B"], [["漢字", "1"], [click.style("abcdef", fg="red"), "2"], ["e\u0301", "3"]])
    lines = capsys.readouterr().out.splitlines()
    assert [width(line.rpartition(" ")[0]) for line in lines] == [7] * 4


def test_json_is_nothing_a_terminal_would_obey(capsys: pytest.CaptureFixture[str]) -> None:
    json_line({"a": "\x9b31m \u202e"})
    assert capsys.readouterr().out == '{"a":"\\u009b31m \\u202e"}\n'
