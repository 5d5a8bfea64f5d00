"""`callgate accounts list|set|reset`, on a real store."""

from __future__ import annotations

from typing import Any

import pytest

from .conftest import Home
from .test_keys import make

LIMITS = '[accounts."*"]\nbudget_month = 100\n[accounts.acme]\ntokens_per_minute = 10\n'


@pytest.fixture
def limited(home: Home) -> Home:
    home.config.write_text(home.config.read_text() + LIMITS)
    return home


def listed(home: Home) -> dict[str, dict[str, tuple[Any, ...]]]:
    return {
        row["account"]: {
            name: (one["value"], one["source"], *([one["account"]] if "account" in one else []))
            for name, one in row["settings"].items()
        }
        for row in home.json("accounts", "list")
    }


def test_limits_are_set_listed_with_their_source_and_taken_back(limited: Home) -> None:
    make(limited, "--account", "bob")
    plain = listed(limited)
    everyone = (100.0, "configuration", "*")
    assert plain["bob"]["budget_month"] == everyone
    (told,) = limited.json("accounts", "set", "bob", "--budget-day", "5")
    assert told["changed"] == {"budget_day": {"from": None, "to": 5.0}}
    assert listed(limited)["bob"] == {
        "tokens_per_minute": (None, "configuration"),
        "budget_day": (5.0, "store"),
        "budget_month": everyone,
    }
    limited.json("accounts", "set", "acme", "--tokens-per-minute", "none")
    limited.json("accounts", "set", "*", "--tokens-per-minute", "7")
    found = listed(limited)
    assert found["acme"]["tokens_per_minute"] == (None, "store")
    assert found["acme"]["budget_month"] == (None, "configuration")
    assert found["bob"]["tokens_per_minute"] == (7, "store", "*")
    text = limited.run("accounts", "set", "acme", "--tokens-per-minute", "default").stdout
    assert "tokens per minute: - (store) -> 10 (configuration)" in text
    for name in ("bob", "*"):
        assert limited.run("accounts", "reset", name).exit_code == 0
    assert listed(limited) == plain
    assert "ACCOUNT" in limited.run("accounts", "list").stdout


def test_what_is_not_there_and_what_does_not_change_is_told(home: Home) -> None:
    assert "there are no accounts" in home.run("accounts", "list").stderr
    told = [home.run("accounts", "set", "bob", "--budget-day", "5").stdout for _ in range(2)]
    assert told[0].startswith("Account bob is changed")
    assert told[1].startswith("Account bob was already set that way.")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("set", "acme"), 2, "nothing to change"),
        (("set", "acme", "--budget-day", "0"), 2, "--budget-day"),
        (("set", "acme", "--tokens-per-minute", "x"), 2, "--tokens-per-minute"),
        (("set", "", "--budget-day", "1"), 2, "printable"),
        (("reset", "nobody"), 1, "accounts list"),
    ],
)
def test_wrong_input_is_refused(
    home: Home, arguments: tuple[str, ...], code: int, told: str
) -> None:
    result = home.run("accounts", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert home.json("accounts", "list") == []
