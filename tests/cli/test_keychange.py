"""`callgate keys change`: on a real store, and what comes of each edit."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callgate.cli.keyedits import Edits, edited
from callgate.cli.options import REMOVED, Failure
from callgate.core.allowance import Allowance
from callgate.store.base import Key

from .conftest import Home
from .test_keys import DAY, make

NOW = 1_800_000_000_000
KEY = Key(
    id="key_1",
    digest=b"",
    hint="x7Qz",
    name="ci",
    account="acme",
    region="us",
    created=NOW - DAY,
    expires=NOW + DAY,
    models=("a", "b"),
    limits={"a": 60, "b": 70},
    capture="all",
    allowance=Allowance(budget_day=2.5, token_limits={"a": 1000}),
)


def change(key: Key = KEY, **wanted: Any) -> Key:
    nothing: dict[str, Any] = dict.fromkeys(Edits.__struct_fields__)
    nothing |= {"add": [], "drop": [], "limits": {}, "token_limits": {}}
    return edited(key, Edits(**{**nothing, **wanted}), NOW)


def test_options_reach_the_store_and_the_rest_stays(home: Home) -> None:
    made = make(
        home, "--account", "acme", "--expires", "90d", "--model", "gpt-4.1=60", "--rate-limit",
        "gpt-4o=5", "--token-limit", "gpt-4.1=1000", "--budget-day", "5", "--capture", "errors",
    )  # fmt: skip
    key_id = str(made["id"])
    (changed,) = home.json(
        "keys", "change", key_id, "--name", "batch", "--expires", "none", "--add-model",
        "gpt-4o=9", "--rate-limit", "gpt-4.1=default", "--token-limit", "gpt-4.1=default",
        "--token-limit", "gpt-4o=77", "--budget-day", "none", "--budget-month", "12.50",
        "--tokens-per-minute", "500", "--capture", "default",
    )  # fmt: skip
    assert changed.pop("changed") == ["name", "expires", "models", "limits", "capture", "allowance"]
    del made["key"]
    assert (
        home.json("keys", "list")
        == [changed]
        == [
            {
                **made,
                "name": "batch",
                "expires": None,
                "ends": None,
                "models": ["gpt-4.1", "gpt-4o"],
                "limits": {"gpt-4o": 9},
                "capture": None,
                "allowance": {
                    "tokens_per_minute": 500,
                    "budget_month": 12.5,
                    "token_limits": {"gpt-4o": 77},
                },
            }
        ]
    )
    told = home.run("keys", "change", key_id, "--rate-limit", "gpt-4.1=5", "--expires", "0s")
    assert told.exit_code == 0
    assert "  rate limit of gpt-4.1: - -> 5\n" in told.stdout
    assert "it is expired" in told.stderr
    again = home.run("keys", "change", key_id, "--rate-limit", "gpt-4.1=5", "--name", "batch")
    assert again.stdout.endswith("was already set that way.\n")


def test_an_unknown_id_offers_what_may_be_meant_and_a_revoked_key_stays(home: Home) -> None:
    key_id = str(make(home)["id"])
    unknown = home.run("keys", "change", key_id[:-1], "--budget-day", "5")
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert unknown.stderr.startswith("callgate: no key has the id")
    assert key_id in unknown.stderr
    home.run("keys", "revoke", key_id)
    before = home.json("keys", "list")
    refused = home.run("keys", "change", key_id, "--expires", "none")
    assert refused.exit_code == 1
    assert "cannot be changed: it is revoked" in refused.stderr
    assert home.json("keys", "list") == before


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "nothing to change"),
        (("--name", " "), "printable characters"),
        (("--expires", "never"), "not a duration"),
        (("--rate-limit", "gpt=0"), "must be between 1"),
        (("--rate-limit", "=default"), "MODEL=N"),
        (("--rate-limit", "m=default", "--rate-limit", "m=2"), "two limits, default, 2"),
        (("--tokens-per-minute", "0"), "range"),
        (("--budget-day", "-1"), "US dollars"),
        (("--budget-day", "0.0000001"), "0.000001 to 1000000"),
        (("--any-model", "--model", "gpt-4.1"), "use only one of"),
        (("--model", "gpt-4.1", "--remove-model", "gpt-4o"), "use only one of"),
    ],
)
def test_a_wrong_argument_is_a_line_and_exit_code_2(
    home: Home, arguments: tuple[str, ...], told: str
) -> None:
    result = home.run("keys", "change", "key_1", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    first, fix = result.stderr.splitlines()
    assert told in first
    assert fix == "  See 'callgate keys change --help'."


def test_models_are_named_anew_added_removed_and_freed() -> None:
    assert change(only=["c", "c"]).models == ("c",)
    assert change(only=REMOVED).models is None
    assert change(add=["c", "a"], drop=["b"]).models == ("a", "c")
    assert change(name="x").models == ("a", "b")


@pytest.mark.parametrize(
    ("key", "wanted", "told"),
    [
        (KEY, {"drop": ["c"]}, "is not allowed model 'c'"),
        (KEY, {"drop": ["a", "b"]}, "no model left"),
        (msgspec.structs.replace(KEY, models=None), {"add": ["c"]}, "may use every model"),
        (msgspec.structs.replace(KEY, revoked=NOW - 1), {"name": "x"}, "it is revoked"),
    ],
)
def test_what_cannot_be_is_refused(key: Key, wanted: dict[str, Any], told: str) -> None:
    with pytest.raises(Failure, match=told):
        change(key, **wanted)


def test_a_limit_that_is_taken_away_leaves_the_others() -> None:
    assert change(limits={"a": REMOVED, "c": 5}).limits == {"b": 70, "c": 5}
    assert change(token_limits={"a": REMOVED}).allowance == Allowance(budget_day=2.5)
    assert change(token_limits={"a": REMOVED}, budget_day=REMOVED).allowance is None
    assert change(capture=REMOVED).capture is None
    assert change(capture="never").capture == "never"


def test_a_key_that_is_ending_or_expired_can_be_changed() -> None:
    ending = msgspec.structs.replace(KEY, revoked=NOW + 5)
    assert change(ending, expires=REMOVED).dead_at() == NOW + 5
    assert change(msgspec.structs.replace(KEY, expires=NOW - 1), expires=NOW + 9).expires == NOW + 9
