"""`callgate check`: what it finds without asking a provider."""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

import redisserver
from callgate.cli.whereabouts import words
from callgate.store.opening import open_store
from lists import listing
from loopserver import in_thread

from .checking import findings, of, openai, run
from .conftest import Home
from .holding import held

NOT_READ = msgspec.json.encode(
    {
        "status": "degraded",
        "findings": [
            {
                "part": "configuration",
                "state": "degraded",
                "why": "x.toml changed",
                "fix": "Send SIGHUP.",
            }
        ],
    }
)


def test_the_local_model_s_weights_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF")
    told = []
    for weights in ("", 'weights = "own.gguf"', 'weights = "gone.gguf"'):
        text = f'catalogue = false\n[providers.near]\ndialect = "local"\n{weights}\n'
        text += '[models.m]\nprovider = "near"\n'
        told.append(of(run(tmp_path, text, "--offline", "--json"), "provider near"))
    assert [one["state"] for one in told] == ["warning", "ok", "problem"]
    assert told[2]["fix"] == "Correct `weights` in [providers.near]."


@pytest.mark.parametrize(
    ("answer", "part", "told"),
    [
        (b'{"status": "ok", "findings": []}', "gateway", ("ok", "answers at http://", "")),
        (NOT_READ, "gateway configuration", ("warning", "x.toml changed", "Send SIGHUP.")),
        (b"", "gateway", ("problem", "runs, but does not answer at http://", "Unless it")),
    ],
    ids=["well", "not-in-effect", "silent"],
)
def test_the_gateway_that_runs_is_asked_how_it_is(
    home: Home, answer: bytes, part: str, told: tuple[str, ...]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        writer.close()

    home.data.mkdir()
    with in_thread(serve) as port, held(home.data, words(f"http://127.0.0.1:{port}")):
        found = of(home.run("check", "--offline", "--json"), part)
    assert found["state"] == told[0]
    assert found["what"].startswith(told[1])
    assert found["fix"].startswith(told[2])


def test_no_gateway_is_asked_where_none_runs(home: Home) -> None:
    home.data.mkdir()
    (home.data / "gateway.lock").write_text(words("http://127.0.0.1:9"))  # by one that has ended
    found = findings(home.run("check", "--offline", "--json"))
    assert not [one for one in found if one["part"].startswith("gateway")]


def test_a_provider_that_no_model_leads_to(tmp_path: Path) -> None:
    text = 'catalogue = false\n[providers.openai]\napi_key = "sk-x"\n'
    result = run(tmp_path, text, "--json")
    assert of(result, "provider openai")["state"] == "warning"
    assert of(result, "configuration")["state"] == "problem"
    assert result.exit_code == 1


@pytest.mark.parametrize(("entry", "warned"), [("10.0.0.0/8", 0), ("10.0.0.1, ::/0", 1)])
def test_a_network_of_everybody_among_the_proxies_is_warned_of(
    home: Home, entry: str, warned: int
) -> None:
    home.config.write_text(f'{home.config.read_text()}[server]\ntrusted_proxies = ["{entry}"]\n')
    found = findings(home.run("check", "--offline", "--json"))
    told = [one for one in found if one["part"] == "proxies"]
    assert [(one["state"], "::/0" in one["what"]) for one in told] == [("warning", True)] * warned


@pytest.mark.parametrize(
    ("server", "table", "warned"),
    [
        ("", "", 0),
        ('host = "localhost"', "", 0),
        ('host = "0.0.0.0"', "", 1),
        ('host = "::"', "", 1),
        ('host = "0.0.0.0"', 'token = "x"', 0),
        ('host = "0.0.0.0"', "enabled = false", 0),
    ],
)
def test_metrics_that_strangers_may_read_are_warned_of(
    home: Home, server: str, table: str, warned: int
) -> None:
    home.config.write_text(f"{home.config.read_text()}[server]\n{server}\n[metrics]\n{table}\n")
    found = findings(home.run("check", "--offline", "--json"))
    assert [one["state"] for one in found if one["part"] == "metrics"] == ["warning"] * warned


def test_offline_asks_nobody(tmp_path: Path) -> None:
    with listing({}) as lists:
        result = run(tmp_path, openai(lists), "--json", "--offline")
        assert lists.asked == []
    assert {one["part"] for one in findings(result)} >= {"configuration", "store", "disk"}


def test_a_configuration_that_cannot_be_used(tmp_path: Path) -> None:
    result = run(tmp_path, '[providers.openai]\napi_key = "${NOT_SET_ANYWHERE}"\n', "--json")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "NOT_SET_ANYWHERE" in result.stderr


def test_looking_makes_no_store(home: Home) -> None:
    result = home.run("check", "--offline", "--json")
    assert of(result, "store")["state"] == "ok"
    assert not home.data.exists()


def test_a_store_with_and_without_keys(home: Home) -> None:
    home.store().close()
    assert of(home.run("check", "--offline", "--json"), "store")["state"] == "warning"
    home.json("keys", "create", "--name", "x")
    found = of(home.run("check", "--offline", "--json"), "store")
    assert (found["state"], "1 valid key" in found["what"]) == ("ok", True)


def test_a_store_that_does_not_open(home: Home) -> None:
    home.data.mkdir()
    (home.data / "callgate.db").write_bytes(b"no database at all" * 100)
    result = home.run("check", "--offline", "--json")
    assert (of(result, "store")["state"], result.exit_code) == ("problem", 1)


def test_a_server_that_counts_and_is_asked(tmp_path: Path) -> None:
    assert of(run(tmp_path, "catalogue = false\n", "--json"), "counters")["state"] == "ok"
    with redisserver.running("--requirepass", "planted-word") as server:
        for query, state, words in (
            ("?password=planted-word", "ok", "answers"),
            ("?password=other-word", "problem", "user and the password"),
            ("", "problem", "user and the password"),
        ):
            text = f'catalogue = false\n[counters]\nurl = "{server.url}{query}"\n'
            result = run(tmp_path, text, "--offline", "--json")
            found = of(result, "counters")
            assert (found["state"], words in found["what"] + found["fix"]) == (state, True), found
            assert str(server.socket) in found["what"]
            assert "-word" not in result.output
            with server.client(password="planted-word") as looking:
                assert all(0 < looking.ttl(key) <= 61 for key in looking.scan_iter())
        with server.client(password="planted-word") as changing:
            changing.config_set("maxmemory", 1 << 30)
            changing.config_set("maxmemory-policy", "volatile-lru")
        text = f'catalogue = false\n[counters]\nurl = "{server.url}?password=planted-word"\n'
        found = of(run(tmp_path, text, "--offline", "--json"), "counters")
        assert (found["state"], "volatile-lru" in found["what"]) == ("warning", True)
        assert "noeviction" in found["fix"]
        server.kill()
        found = of(run(tmp_path, text, "--offline", "--json"), "counters")
    assert (found["state"], "Start the server" in found["fix"]) == ("problem", True)


def test_a_folder_that_others_may_enter(home: Home) -> None:
    open_store(f"sqlite:///{home.data / 'callgate.db'}").close()
    assert of(home.run("check", "--offline", "--json"), "permissions")["state"] == "ok"
    home.data.chmod(0o755)
    found = of(home.run("check", "--offline", "--json"), "permissions")
    assert (found["state"], "chmod 700" in found["fix"]) == ("warning", True)
    assert "0755" in found["what"]


def test_a_folder_that_cannot_be_written_to_is_a_problem(home: Home) -> None:
    home.data.mkdir(mode=0o700)
    parts = [one["part"] for one in findings(home.run("check", "--offline", "--json"))]
    assert "disk" in parts
    assert "data_dir" not in parts
    (home.data / "journal").touch(mode=0o600)  # not even root can write into that
    found = of(home.run("check", "--offline", "--json"), "data_dir")
    assert (found["state"], "can write to" in found["what"]) == ("problem", True)
    assert str(home.data / "journal") in found["what"]


def test_records_that_wait_for_long_are_a_problem(home: Home, journal: Any) -> None:
    from callgate.core.record import Record

    id_ = "01a205f2-ea2c-7eea-9a48-b48ebceaf97b"
    journal(
        Record(
            request_id=id_, time=int((time.time() - 3600) * 1000), region="us", method="POST",
            path="/v1/chat/completions", status=200,
        )
    )  # fmt: skip
    found = of(home.run("check", "--offline", "--json"), "journal")
    assert found["state"] == "problem"
    assert re.search(r"\b36\d\d s\b", found["what"])


def test_a_model_about_to_be_retired(home: Home) -> None:
    soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86400))
    late = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 90 * 86400))
    rows = "".join(
        f'[models.{name}]\nprovider = "openai"\nretirement_date = {day}\nsuccessor = "new"\n'
        for name, day in (("soon", soon), ("late", late))
    )
    home.config.write_text(
        'catalogue = false\n[providers.openai]\napi_key = "sk-planted-key"\n' + rows
    )
    result = home.run("check", "--offline", "--json")
    found = of(result, "model soon")
    assert (found["state"], found["fix"]) == ("warning", "Move callers to new.")
    assert not [one for one in findings(result) if one["part"] == "model late"]


def test_a_model_that_no_configured_provider_serves_is_named(home: Home) -> None:
    rows = "".join(
        f'[models."{name}"]\n{row}\n'
        for name, row in (
            ("claude-sonnet-4-6", "rate_limit = 5"),
            ("claude-opus-4-6", "offered = false"),
            ("gpt-4.1", "rate_limit = 5"),
        )
    )
    home.config.write_text('[providers.openai]\napi_key = "sk-planted-key"\n' + rows)
    result = home.run("check", "--offline", "--json")
    unserved = [one["part"] for one in findings(result) if "not served" in one["what"]]
    assert unserved == ["model claude-sonnet-4-6"]
    assert of(result, "model claude-sonnet-4-6")["state"] == "warning"


def test_models_of_unknown_price_under_a_budget_are_named(tmp_path: Path) -> None:
    text = """
    catalogue = false
    [providers.openai]
    api_key = "sk-1"
    [providers.house]
    dialect = "openai"
    base_url = "http://127.0.0.1:1/v1"
    [models."gpt-4.1"]
    provider = "openai"
    [models.free]
    provider = "house"
    price = { input = 0, output = 0 }
    [models.own]
    provider = "house"
    """
    arguments = ("--offline", "--json")
    assert not [one for one in findings(run(tmp_path, text, *arguments)) if one["part"] == "prices"]
    budget = '[accounts."*"]\nbudget_month = 5'
    found = of(run(tmp_path, text + budget, *arguments), "prices")
    assert found["state"] == "warning"
    assert "do not count own:" in found["what"]
    priced = text + "price = { input = 1, output = 2 }\n" + budget
    assert of(run(tmp_path, priced, *arguments), "prices")["state"] == "ok"
