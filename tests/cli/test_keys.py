"""`callgate keys`: on a real store, from the making of a key to its end."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from callgate.core import keys as shape

from .conftest import Home

DAY = 86_400_000


def make(home: Home, *arguments: str) -> dict[str, object]:
    (made,) = home.json("keys", "create", "--name", "ci", *arguments)
    return made


def test_a_new_key_is_alone_on_standard_output(home: Home) -> None:
    result = home.run("keys", "create", "--name", "ci")
    text = result.stdout.rstrip("\n")
    assert shape.region_of(text) == "us"
    assert "shown only this once" in result.stderr
    assert text not in result.stderr
    assert "a new store was made" in result.stderr
    assert "store" not in home.run("keys", "create", "--name", "other").stderr


def test_the_store_holds_only_the_keys_hash(home: Home) -> None:
    key = str(make(home)["key"])
    store = home.store()
    found = store.keys.find(shape.digest(key))
    store.close()
    assert found is not None
    assert found.hint == key[-4:]
    secret = key.encode()
    assert all(secret not in path.read_bytes() for path in home.data.rglob("*") if path.is_file())


def test_options_reach_the_store(home: Home) -> None:
    made = make(
        home, "--account", "acme", "--expires", "90d", "--model", "gpt-4.1=60",
        "--model", "gpt-4o", "--rate-limit", "gpt-4o-mini=5",
    )  # fmt: skip
    (listed,) = home.json("keys", "list")
    assert listed == {name: value for name, value in made.items() if name != "key"}
    assert listed["account"] == "acme"
    assert listed["models"] == ["gpt-4.1", "gpt-4o"]
    assert listed["limits"] == {"gpt-4.1": 60, "gpt-4o-mini": 5}
    assert listed["expires"] == listed["created"] + 90 * DAY
    assert listed["state"] == "active"


def test_a_limit_alone_does_not_restrict(home: Home) -> None:
    made = make(home, "--rate-limit", "gpt-4.1=5")
    assert (made["models"], made["limits"]) == (None, {"gpt-4.1": 5})


@pytest.mark.usefixtures("before_retirements")
def test_an_unknown_model_is_kept_with_a_note_of_near_names(home: Home) -> None:
    result = home.run("keys", "create", "--name", "ci", "--model", "gpt-4.1-min")
    assert result.exit_code == 0
    assert "'gpt-4.1-mini'" in result.stderr
    assert home.json("keys", "list")[0]["models"] == ["gpt-4.1-min"]


def test_a_key_for_another_region_bears_it_and_is_noted(home: Home) -> None:
    result = home.run("keys", "create", "--name", "ci", "--region", "eu")
    assert shape.region_of(result.stdout.strip()) == "eu"
    assert "will refuse a key of 'eu'" in result.stderr


def test_list_never_shows_a_key(home: Home) -> None:
    key = str(make(home)["key"])
    for result in (home.run("keys", "list"), home.run("keys", "list", "--json")):
        assert key not in result.output
        assert key[-4:] in result.stdout


def test_a_key_that_only_a_newer_version_understands_is_listed_as_such_and_can_be_revoked(
    home: Home,
) -> None:
    name = make(home)["id"]
    with closing(sqlite3.connect(home.data / "callgate.db")) as database, database:
        database.execute("UPDATE keys SET capture = 'of-2031'")
    assert "unreadable  ?" in home.run("keys", "list").stdout
    refused = home.run("keys", "change", str(name), "--name", "other")
    assert refused.exit_code == 1
    assert "newer version" in refused.stderr
    assert "it is unreadable" in home.run("keys", "rotate", str(name)).stderr
    (revoked,) = home.json("keys", "revoke", str(name))
    assert revoked["state"] == "revoked"
    assert "of-2031" in revoked["unreadable"]


def test_list_narrows_by_account_and_limit(home: Home) -> None:
    for account in ("a", "b", "b"):
        make(home, "--account", account)
    assert [key["account"] for key in home.json("keys", "list", "--limit", "2")] == ["b", "b"]
    assert len(home.json("keys", "list", "--account", "a")) == 1


def test_list_tells_a_keys_limits_in_words(home: Home) -> None:
    make(home, "--model", "gpt-4.1=60", "--tokens-per-minute", "1000", "--budget-day", "5")
    told = home.run("keys", "list").stdout
    assert "gpt-4.1=60; limits 1000 tokens/min, 5 USD/day" in " ".join(told.split())


def test_list_of_no_keys_says_how_to_make_one(home: Home) -> None:
    result = home.run("keys", "list")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "callgate keys create" in result.stderr


def test_revoke_ends_a_key_and_says_so_once(home: Home) -> None:
    key_id = str(make(home)["id"])
    assert "is revoked." in home.run("keys", "revoke", key_id).stdout
    (listed,) = home.json("keys", "list")
    assert listed["state"] == "revoked"
    assert listed["created"] <= listed["revoked"] == listed["ends"]
    assert "already" in home.run("keys", "revoke", key_id).stdout
    assert home.json("keys", "list") == [listed]


def test_revoke_and_rotate_tell_people_and_programs(home: Home) -> None:
    first, second = make(home), make(home)
    assert (
        f"It replaces {first['id']}, which ends " in home.run("keys", "rotate", first["id"]).stderr
    )
    (revoked,) = home.json("keys", "revoke", second["id"])
    assert (revoked["id"], revoked["state"]) == (second["id"], "revoked")


def test_revoke_takes_a_leaked_key_itself(home: Home) -> None:
    key = str(make(home)["key"])
    result = home.run("keys", "revoke", key)
    assert key not in result.output
    assert home.json("keys", "list")[0]["state"] == "revoked"


def test_revoke_of_an_unknown_id_offers_what_may_be_meant(home: Home) -> None:
    key_id = str(make(home)["id"])
    for meant in ("ci", key_id[:-1]):
        result = home.run("keys", "revoke", meant)
        assert result.exit_code == 1
        assert result.stderr.startswith("callgate: no key has the id")
        assert key_id in result.stderr
    unknown = shape.mint("us", bytes(20))
    result = home.run("keys", "revoke", unknown)
    assert result.exit_code == 1
    assert unknown not in result.output


def test_rotate_gives_a_like_key_and_lets_the_old_one_overlap(home: Home) -> None:
    old = make(home, "--account", "acme", "--model", "gpt-4.1=60", "--expires", "30d")
    (new,) = home.json("keys", "rotate", str(old["id"]), "--overlap", "2h")
    for field in ("name", "account", "region", "models", "limits"):
        assert new[field] == old[field]
    assert new["key"] != old["key"]
    assert new["expires"] == new["created"] + 30 * DAY
    replaced, listed = home.json("keys", "list")
    assert (replaced["id"], replaced["state"]) == (old["id"], "ending")
    assert replaced["ends"] == new["created"] + 2 * 3_600_000
    assert (listed["id"], listed["state"]) == (new["id"], "active")
    assert new["replaces"] == replaced


def test_rotate_without_overlap_ends_the_old_key_at_once(home: Home) -> None:
    old = make(home)
    home.json("keys", "rotate", str(old["id"]), "--overlap", "0s")
    assert [key["state"] for key in home.json("keys", "list")] == ["revoked", "active"]


def test_a_rotated_key_can_still_be_revoked_before_its_time(home: Home) -> None:
    old = make(home)
    home.json("keys", "rotate", str(old["id"]))
    assert "is revoked." in home.run("keys", "revoke", str(old["id"])).stdout
    assert home.json("keys", "list")[0]["state"] == "revoked"


def test_rotate_refuses_a_dead_key(home: Home) -> None:
    old = make(home)
    home.run("keys", "revoke", str(old["id"]))
    result = home.run("keys", "rotate", str(old["id"]))
    assert result.exit_code == 1
    assert "it is revoked" in result.stderr
    assert len(home.json("keys", "list")) == 1


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Missing option '--name'"),
        (("--name", " "), "printable characters"),
        (("--name", "a\x1b[31m"), "printable characters"),
        (("--name", "a", "--expires", "soon"), "not a duration"),
        (("--name", "a", "--expires", "90000000d"), "hundred years"),
        (("--name", "a", "--model", "gpt=x"), "MODEL=N"),
        (("--name", "a", "--model", ""), "MODEL=N"),
        (("--name", "a", "--rate-limit", "gpt"), "MODEL=N"),
        (("--name", "a", "--rate-limit", "gpt=0"), "must be between 1"),
        (("--name", "a", "--rate-limit", "gpt=" + "9" * 5000), "must be between"),
        (("--name", "a", "--rate-limit", "gpt=²"), "MODEL=N"),
        (("--name", "a", "--model", "m=1", "--rate-limit", "m=2"), "two limits, 1, 2"),
        (("--name", "a", "--region", "EU!"), "is not a region"),
    ],
)
def test_a_wrong_argument_is_a_line_and_exit_code_2(
    home: Home, arguments: tuple[str, ...], told: str
) -> None:
    result = home.run("keys", "create", *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    first, fix = result.stderr.splitlines()
    assert first.startswith("callgate: ")
    assert told in first
    assert fix == "  See 'callgate keys create --help'."
    assert home.json("keys", "list") == []
