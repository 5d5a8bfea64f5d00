"""`callgate models`: what is served, and with --all why the rest is not."""

from __future__ import annotations

from callgate.catalogue import load

from .conftest import Home


def test_lists_what_is_served(home: Home) -> None:
    rows = {row["model"]: row for row in home.json("models")}
    row = rows["gpt-4.1"]
    assert row["creator"] == "OpenAI"
    assert row["providers"] == ["openai"]
    assert row["rate_limit"] == 30
    assert row["context_length"] == 1_047_576
    assert all(row["served"] for row in rows.values())
    lines = home.run("models").stdout.splitlines()
    assert lines[0].split() == ["MODEL", "CREATOR", "CONTEXT", "LIMIT", "REGIONS", "PROVIDERS"]
    assert lines[1].split()[:5] == ["gpt-4.1", "OpenAI", "1,047,576", "30", "us"]


def test_all_adds_the_catalogue_with_the_reason_why_not(home: Home) -> None:
    served = {row["model"] for row in home.json("models")}
    rows = {row["model"]: row for row in home.json("models", "--all")}
    assert rows.keys() == served | set(load())
    for name, row in rows.items():
        assert row["served"] == (name in served)
        assert row["served"] or row["why_not"]
    assert len(home.run("models", "--all").stdout.splitlines()) == len(rows) + 1


def test_a_limit_shortens_the_list(home: Home) -> None:
    assert len(home.json("models", "--all", "--limit", "1")) == 1


def test_while_the_store_is_away_the_configuration_is_listed_and_a_note_says_so(home: Home) -> None:
    home.json("models", "set", "gpt-4.1", "--rate-limit", "60")
    away = '[store]\nurl = "postgresql://nobody@127.0.0.1:1/none"\n'
    home.config.write_text(home.config.read_text().replace("[store]\n", away))
    result = home.run("models")
    assert result.exit_code == 0
    assert "this is the configuration alone" in result.stderr
    assert "gpt-4.1" in result.stdout
    assert home.run("models", "set", "gpt-4.1", "--rate-limit", "60").exit_code == 2


def test_no_model_at_all_says_what_to_set(home: Home) -> None:
    home.config.write_text("catalogue = false\n")
    result = home.run("models")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "OPENAI_API_KEY" in result.stderr
