"""`callgate models add|set|reset|remove|show`, on a real store."""

from __future__ import annotations

from contextlib import closing

import pytest

from callgate.core.override import Override

from .conftest import Home
from .test_keys import make

SECRET = "sk-planted-provider-key"
OTHER = """
[providers.other]
dialect = "openai"
base_url = "http://127.0.0.1:1"
"""


def stored(home: Home) -> list[Override]:
    with closing(home.store()) as store:
        return list(store.overrides.all())


def test_a_change_tells_from_what_to_what_and_where_each_value_is_from(home: Home) -> None:
    (told,) = home.json(
        "models", "set", "gpt-4.1", "--rate-limit", "60", "--price", "input=2.5,output=10",
        "--fallback", "gpt-4o", "--fallback", "gpt-5.1", "--budget-day", "12.50", "--hedge", "yes",
        "--description", "Ours.", "--retirement-date", "2999-01-31", "--token-limit", "none",
    )  # fmt: skip
    assert told["state"] == "served"
    assert told["changed"]["rate_limit"] == {"from": 30, "to": 60}
    assert told["settings"]["rate_limit"] == {"value": 60, "source": "store", "configured": 30}
    assert told["settings"]["price"]["value"] == {"input": 2.5, "output": 10.0}
    assert told["settings"]["fallbacks"]["value"] == ["gpt-4o", "gpt-5.1"]
    assert told["settings"]["retirement_date"]["value"] == "2999-01-31"
    assert told["settings"]["max_output_tokens"]["source"] == "configuration"
    assert {
        name for name, one in told["settings"].items() if one["source"] == "store"
    } == {*told["changed"]}  # fmt: skip
    (shown,) = home.json("models", "show", "gpt-4.1")
    assert shown == {**told, "changed": {}}
    text = home.run("models", "set", "gpt-4.1", "--rate-limit", "default").stdout
    assert "\n  rate limit: 60 (store) -> 30 (configuration)\n" in text
    assert "\n  budget day         12.5  [store]\n" in text
    row = next(row for row in home.json("models") if row["model"] == "gpt-4.1")
    assert row["rate_limit"] == 30
    assert "budget_day" in row["set"]


def test_a_reset_takes_all_back(home: Home) -> None:
    home.json("models", "set", "gpt-4.1", "--rate-limit", "60", "--offered", "no")
    assert "no: not offered" in home.run("models", "--all").stdout
    (told,) = home.json("models", "reset", "gpt-4.1")
    assert told["changed"] == {
        "offered": {"from": False, "to": True},
        "rate_limit": {"from": 60, "to": 30},
    }
    assert stored(home) == []
    assert home.run("models", "reset", "gpt-4.1").stdout.startswith(
        "Model gpt-4.1 was already set that way."
    )


def test_a_model_is_added_and_removed(home: Home) -> None:
    text = home.run("models", "add", "mine", "--provider", "openai", "--upstream-model", "x").stdout
    assert "Model mine is added" in text
    assert "openai/x  [store]" in text
    assert "rate limit         30  [default]" in text
    assert "mine" in [row["model"] for row in home.json("models")]
    again = home.run("models", "add", "mine", "--provider", "openai")
    assert again.exit_code == 1
    assert "callgate models set mine" in again.stderr
    (told,) = home.json("models", "set", "mine", "--provider", "openai")
    assert told["settings"]["deployments"]["value"] == ["openai/mine"]
    assert home.json("models", "remove", "mine")[0]["state"] == "gone"
    assert stored(home) == []


def test_several_ways_take_the_place_of_one_and_the_other_way_round(home: Home) -> None:
    home.config.write_text(home.config.read_text() + OTHER)

    def ways(*arguments: str) -> object:
        (told,) = home.json("models", "set", "gpt-4o", *arguments)
        return told["settings"]["deployments"]["value"]

    plain = ways("--hedge", "yes")
    assert ways("--deployment", "openai=3", "--deployment", "other/a/b=0.5") == [
        "openai/gpt-4o=3", "other/a/b=0.5",
    ]  # fmt: skip
    assert ways("--provider", "other", "--upstream-model", "x") == ["other/x"]
    assert ways("--provider", "openai") == ["openai/gpt-4o"]
    assert ways("--deployment", "other") == ["other/gpt-4o"]
    near_and_far = ("--deployment", "other,worldwide", "--deployment", "openai/a=2")
    assert ways(*near_and_far) == ["other/gpt-4o (worldwide)", "openai/a=2"]
    assert ways("--deployment", "openai/a", "--deployment", "openai/b=3,worldwide") == [
        "openai/a", "openai/b=3 (worldwide)",
    ]  # fmt: skip
    assert ways("--deployment", "default") == plain


def test_what_others_fall_back_on_is_not_removed(home: Home) -> None:
    home.json("models", "add", "mine", "--provider", "openai")
    home.json("models", "set", "gpt-4.1", "--fallback", "mine")
    refused = home.run("models", "remove", "mine")
    assert refused.exit_code == 2
    assert "models.gpt-4.1.fallbacks[0]: no model 'mine'" in refused.stderr
    home.json("models", "set", "gpt-4.1", "--fallback", "none")
    assert home.run("models", "remove", "mine").exit_code == 0


def test_why_a_model_is_not_served_is_told(home: Home) -> None:
    home.json("models", "set", "gpt-4.1", "--retirement-date", "2020-01-31")
    (shown,) = home.json("models", "show", "gpt-4.1")
    assert shown["state"] == "retired"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("add", "x", "--provider", "gone"), 2, "models.x.provider: no provider 'gone'"),
        (("add", "x", "--provider", "gone"), 2, "providers are: openai"),
        (("add", "x"), 2, "--provider"),
        (("add", "gpt-4.1", "--provider", "openai"), 1, "callgate models set gpt-4.1"),
        (("set", "gpt-4.1"), 2, "nothing to change"),
        (("set", "gtp-4.1", "--hedge", "yes"), 1, "gpt-4.1"),
        (("set", "gpt-4.1", "--rate-limit", "0"), 2, "--rate-limit"),
        (("set", "gpt-4.1", "--rate-limit", "none"), 2, "--rate-limit"),
        (("set", "gpt-4.1", "--budget-day", "-1"), 2, "12.50"),
        (("set", "gpt-4.1", "--offered", "perhaps"), 2, "yes or no"),
        (("set", "gpt-4.1", "--retirement-date", "soon"), 2, "2027-01-31"),
        (("set", "gpt-4.1", "--price", "input=1"), 2, "price.output"),
        (("set", "gpt-4.1", "--price", "input=x"), 2, "input=2.50,output=10"),
        (("set", "gpt-4.1", "--price", "input=1,output=2,in=3"), 2, "models.gpt-4.1.price.in"),
        (("set", "gpt-4.1", "--price", "input=nan,output=2"), 2, "input=2.50,output=10"),
        (("set", "gpt-4.1", "--fallback", "nil"), 2, "no model 'nil'"),
        (("set", "gpt-4.1", "--fallback", "none", "--fallback", "gpt-4o"), 2, "cannot be combined"),
        (("set", "gpt-4o", "--upstream-model", "x"), 2, "--provider"),
        (("set", "gpt-4o", "--deployment", "openai/x=0"), 2, "PROVIDER/NAME=3"),
        (("set", "gpt-4o", "--deployment", "openai/x=y"), 2, "PROVIDER/NAME=3"),
        (("set", "gpt-4o", "--deployment", "openai/x,anywhere"), 2, ",worldwide"),
        (("set", "gpt-4o", "--deployment", "openai/x,worldwide"), 2, "all are `worldwide`"),
        (("set", "gpt-4.1", "--display-name", "x" * 1001), 2, "1000 printable characters"),
        (
            ("set", "gpt-4o", "--deployment", "openai/x", "--deployment", "gone"),
            2,
            "deployments[1]",
        ),
        (
            ("set", "gpt-4o", "--deployment", "openai", "--provider", "openai"),
            2,
            "cannot be combined",
        ),
        (("remove", "gpt-4.1"), 1, "--offered no"),
        (("remove", "nil"), 1, "no model 'nil'"),
        (("show", "nil"), 1, "no model 'nil'"),
    ],
)
def test_wrong_input_is_refused_and_nothing_is_done(
    home: Home, arguments: tuple[str, ...], code: int, told: str
) -> None:
    result = home.run("models", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert stored(home) == []


def test_what_is_no_longer_sound_is_told_and_can_be_taken_back(home: Home) -> None:
    home.json("models", "add", "mine", "--provider", "openai")
    home.json("models", "set", "gpt-4.1", "--rate-limit", "60")
    home.config.write_text(OTHER + '[models."gpt-4.1"]\nprovider = "other"\n')
    why = "models.mine.provider: no provider 'openai' is configured"
    assert why in home.run("models").stderr
    assert why in home.run("models", "show", "mine").stderr
    checked = home.run("check", "--offline")
    assert checked.exit_code == 1
    assert f"problem  model mine: its settings in the store are not in effect: {why}" in (
        checked.stdout
    )
    assert home.run("models", "set", "mine", "--hedge", "yes").exit_code == 2
    assert home.run("models", "reset", "mine").exit_code == 0
    assert why not in home.run("models").stderr
    assert [one.name for one in stored(home)] == ["gpt-4.1"]


def test_other_commands_go_by_what_is_in_effect(home: Home) -> None:
    home.json("models", "add", "mine", "--provider", "openai", "--budget-day", "5")
    made = home.run("keys", "create", "--name", "x", "--model", "mine")
    assert "not served" not in made.stderr
    (standing,) = home.json("usage", "--budgets")
    assert (standing["subject"], standing["budget_usd"]) == ("mine", 5.0)
    home.config.write_text(
        "catalogue = false\n" + home.config.read_text().partition('[models."gpt-4.1"]')[0]
    )
    checked = home.run("check", "--offline").stdout
    assert "1 provider, 1 model\n" in checked
    assert "overrides: the store's settings of 1 model are in effect" in checked


def test_no_secret_is_stored_or_told(home: Home) -> None:
    make(home)
    told = home.run("models", "add", "mine", "--provider", "openai").output
    told += home.run("models", "show", "mine", "--json").output
    assert SECRET not in told + str(stored(home))
