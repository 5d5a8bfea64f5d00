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


BUDGETS = """
[accounts.acme]
budget_month = 4.0
[accounts."*"]
budget_day = 10.0
[models."gpt-4o"]
provider = "openai"
budget_day = 2.0
"""


def test_what_of_each_budget_is_spent_is_told_fullest_first(
    busy: Home, journal: Callable[..., None]
) -> None:
    busy.config.write_text(busy.config.read_text() + BUDGETS)
    create = ("keys", "create", "--name", "a", "--account")
    (own,) = busy.json(*create, "acme", "--budget-day", "0.5")
    busy.run(*create, "zoo")
    (gone,) = busy.json(*create, "gone", "--budget-day", "1")
    busy.run("keys", "revoke", gone["id"])
    journal(
        answered(cost_usd=0.4, key_id=own["id"]),
        answered(cost_usd=1.0, model_served="gpt-4o", account="zoo"),
    )
    today = datetime.now(UTC).date()
    month = 0.25 if (today - timedelta(3)).month == today.month else 0.0
    found = busy.json("usage", "--budgets")
    assert [
        (one["account"], one["scope"], one["period"], round(one["spent_usd"], 6)) for one in found
    ] == [
        ("acme", "key", "day", 0.4),
        ("zoo", "model", "day", 1.0),
        ("acme", "account", "month", 0.9 + month),
        ("zoo", "account", "day", 1.0),
        ("acme", "model", "day", 0.0),
    ]
    assert found[0] == {
        "account": "acme", "scope": "key", "subject": own["id"], "period": "day",
        "since": str(today), "budget_usd": 0.5, "spent_usd": 0.4, "share": 0.8,
    }  # fmt: skip
    (only,) = busy.run("usage", "--budgets", "--key", own["id"]).stdout.splitlines()[1:]
    assert only.split() == ["acme", "key", own["id"], "day", "$0.4000", "$0.50", "80%"]
    assert len(busy.json("usage", "--budgets", "--account", "zoo", "--model", "gpt-4o")) == 1


def test_budgets_are_of_the_present_and_there_may_be_none(home: Home) -> None:
    assert home.run("usage", "--budgets").stdout == "no budgets\n"
    refused = home.run("usage", "--budgets", "--since", "1d")
    assert refused.exit_code == 2
    assert "leave out --since" in refused.stderr
