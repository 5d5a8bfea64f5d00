"""`callgate usage`: totals as a table and as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from callgate.core.chat import Usage
from samples import answered

from .conftest import Home


@pytest.fixture
def busy(home: Home) -> Home:
    tokens = Usage(input_tokens=1000, output_tokens=200, total_tokens=1200)
    home.ship(
        answered(usage=tokens, cost_usd=0.5),
        answered(usage=tokens, cost_usd=None, account="zoo"),
        answered(ago_ms=3 * 86_400_000, usage=tokens, cost_usd=0.25),
    )
    return home


def test_a_line_for_each_group_and_one_for_all(busy: Home) -> None:
    lines = busy.run("usage", "--by", "account,model,day").stdout.splitlines()
    assert lines[0].split()[:4] == ["account", "model", "day", "requests"]
    assert [line.split()[0] for line in lines[1:5]] == ["acme", "acme", "zoo", "all"]
    assert lines[4].split() == ["all", "3", "0", "3,000", "0", "600", "0", "$0.7500"]
    assert lines[5] == "No price is known for 1 of them: their cost is missing."
    assert len({len(line) for line in lines[:5]}) == 1


def test_json_has_what_was_asked_for(busy: Home) -> None:
    totals = busy.json("usage", "--by", "account")
    assert [(one["account"], one["requests"], one["cost_usd"]) for one in totals] == [
        ("acme", 2, 0.75),
        ("zoo", 1, 0.0),
    ]
    assert "model" not in totals[0]
    assert [one["account"] for one in busy.json("usage", "--limit", "1")] == ["acme"]


def test_days_are_bounded(busy: Home) -> None:
    today = datetime.now(UTC).date()
    assert sum(one["requests"] for one in busy.json("usage", "--since", "1d")) == 2
    assert sum(one["requests"] for one in busy.json("usage", "--since", "today")) == 2
    until = str(today - timedelta(2))
    assert sum(one["requests"] for one in busy.json("usage", "--until", until)) == 1
    assert busy.json("usage", "--account", "nobody") == []
    assert busy.run("usage", "--since", "2019-01-01", "--until", "2019-02-01").stdout == (
        "no requests\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("--by", "colour"),
        ("--by", ""),
        ("--since", "soon"),
        ("--since", "2026-13-01"),
        ("--since", "999999d"),
        ("--since", "2026-02-01", "--until", "2026-01-01"),
    ],
)
def test_what_makes_no_sense_is_refused(home: Home, arguments: tuple[str, ...]) -> None:
    result = home.run("usage", *arguments)
    assert result.exit_code == 2
    assert arguments[-2] in result.stderr or repr(arguments[-1]) in result.stderr


def test_what_is_not_shipped_yet_is_told(busy: Home, journal: Callable[..., None]) -> None:
    journal(answered())
    assert "wait in this machine's journal" in busy.run("usage").stderr
