"""`callgate check`: what is wrong with a set-up, found by asking real servers."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme
from click.testing import CliRunner, Result

import redisserver
from callgate.cli.main import callgate
from callgate.store.opening import open_store
from lists import Lists, Reply, listing
from patience import PATIENCE

from .conftest import Home

KEY = "sk-planted-provider-key-000001"
GPT = {"object": "list", "data": [{"id": "gpt-4.1-2025-04-14"}, {"id": "other"}]}
Found = dict[str, dict[str, Any]]

OPENAI = """
catalogue = false
[providers.openai]
api_key = "{key}"
base_url = "{origin}/v1"
[models."gpt-4.1"]
provider = "openai"
"""


def run(folder: Path, text: str, *arguments: str, trusted: str = "") -> Result:
    file = folder / "callgate.toml"
    file.write_text(text)
    environment = {
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": trusted,
        "SSL_CERT_DIR": "",
    }
    return CliRunner(env=environment).invoke(callgate, ["check", "--config", str(file), *arguments])


def findings(result: Result) -> list[dict[str, Any]]:
    assert KEY not in result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def of(result: Result, part: str) -> dict[str, Any]:
    (found,) = [one for one in findings(result) if one["part"] == part]
    assert found.keys() == {"part", "state", "what", "fix"}
    assert bool(found["fix"]) == (found["state"] != "ok")
    return found


def openai(lists: Lists) -> str:
    return OPENAI.format(key=KEY, origin=lists.origin)


def test_a_sound_set_up_is_told_to_be_in_order(tmp_path: Path) -> None:
    with listing({"/v1/models": Reply(200, GPT)}) as lists:
        result = run(tmp_path, openai(lists), "--json")
        ((target, headers),) = lists.asked
    assert result.exit_code == 0, result.output
    assert (target, headers["authorization"]) == ("/v1/models", f"Bearer {KEY}")
    assert of(result, "provider openai")["state"] == "ok"
    model = of(result, "model gpt-4.1")
    assert (model["state"], "listed as gpt-4.1-2025-04-14" in model["what"]) == ("ok", True)
    assert of(result, "clock")["state"] == "ok"
    assert str(tmp_path / "callgate.toml") in of(result, "configuration")["what"]


def test_people_get_a_line_for_each_and_the_fix_below_it(tmp_path: Path) -> None:
    with listing({"/v1/models": Reply(200, {"data": []})}) as lists:
        result = run(tmp_path, openai(lists))
    lines = result.stdout.splitlines()
    at = next(number for number, line in enumerate(lines) if "model gpt-4.1" in line)
    assert lines[at].startswith("problem  model gpt-4.1: openai does not serve gpt-4.1")
    assert lines[at + 1].strip().startswith("fix: Correct `upstream_model`")
    assert lines[-1].startswith("problems: 1, ")
    assert result.exit_code == 1


def test_a_model_that_is_not_served_is_a_problem_if_it_was_configured_by_name(
    tmp_path: Path,
) -> None:
    with listing({"/v1/models": Reply(200, {"data": [{"id": "gpt-4.1"}]})}) as lists:
        text = openai(lists).replace("catalogue = false", "")
        result = run(tmp_path, text, "--json")
        named = run(tmp_path, text + '[models."gpt-4o"]\nprovider = "openai"\n', "--json")
    others = of(result, "models at openai")
    assert (others["state"], result.exit_code) == ("warning", 0)
    assert "gpt-6-sol, " in others["what"]
    missing = [one for one in findings(named) if one["part"] == "model gpt-4o"]
    assert any(one["state"] == "problem" for one in missing)
    assert named.exit_code == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused(tmp_path: Path, status: int) -> None:
    error = {"error": {"message": f"Incorrect API key: {KEY}", "code": "invalid_api_key"}}
    with listing({"/v1/models": Reply(status, error)}) as lists:
        result = run(tmp_path, openai(lists), "--json")
    found = of(result, "provider openai")
    assert (found["state"], result.exit_code) == ("problem", 1)
    assert "the provider refuses the key" in found["what"]
    assert "[providers.openai]" in found["fix"]
    assert of(result, "models at openai")["state"] == "warning"


def test_a_key_that_may_call_but_not_list(tmp_path: Path) -> None:
    words = "You have insufficient permissions for this operation. Missing scopes: api.model.read"
    with listing({"/v1/models": Reply(403, {"error": {"message": words}})}) as lists:
        result = run(tmp_path, openai(lists), "--json")
    assert (of(result, "provider openai")["state"], result.exit_code) == ("warning", 0)


@pytest.mark.parametrize(
    ("reply", "state", "words"),
    [
        (Reply(404, {}), "warning", "has no list of models"),
        (Reply(429, {"error": {"message": "slow"}}), "warning", "not give its list now"),
        (Reply(503, b"away"), "warning", "not give its list now"),
        (Reply(200, b"<html>a portal</html>"), "problem", "no list of models"),
        (Reply(200, {"models": 5}), "problem", "no list of models"),
        (Reply(302, b""), "problem", "no list of models"),
    ],
)
def test_a_reply_that_is_no_list_is_told_by_what_it_is(
    tmp_path: Path, reply: Reply, state: str, words: str
) -> None:
    with listing({"/v1/models": reply}) as lists:
        result = run(tmp_path, openai(lists), "--json")
    found = of(result, "provider openai")
    assert found["state"] == state, found
    assert words in found["what"]
    assert result.exit_code == (state == "problem")
    told = [one["what"] for one in findings(result) if "gpt-4.1" in one["what"]]
    assert any("cannot be told" in one for one in told)


def test_a_provider_that_refuses_connections_is_a_problem(tmp_path: Path) -> None:
    with listing({}) as lists:
        text = openai(lists)
    found = of(run(tmp_path, text, "--json"), "provider openai")
    assert (found["state"], "refused the connection" in found["what"]) == ("problem", True)


def test_a_server_whose_tls_cannot_be_had(tmp_path: Path) -> None:
    with listing({}) as lists:
        text = openai(lists).replace("http://", "https://")
        found = of(run(tmp_path, text, "--json"), "provider openai")
    assert (found["state"], "SSL_CERT_FILE" in found["fix"]) == ("problem", True)


def test_a_certificate_that_is_trusted_or_not(tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(file))
    with listing({"/v1/models": Reply(200, GPT)}, context) as lists:
        text = openai(lists).replace("http://", "https://")
        distrusted = of(run(tmp_path, text, "--json"), "provider openai")
        trusted = of(run(tmp_path, text, "--json", trusted=str(file)), "provider openai")
    assert (distrusted["state"], trusted["state"]) == ("problem", "ok")
    assert "certificate that cannot be trusted" in distrusted["what"]
    assert "SSL_CERT_FILE" in distrusted["fix"]


@pytest.mark.parametrize(
    ("off", "state", "words"),
    [(0, "ok", "agrees"), (60, "warning", "behind"), (-3600, "problem", "ahead")],
)
def test_the_clock_is_held_against_the_provider_s(
    tmp_path: Path, off: int, state: str, words: str
) -> None:
    date = formatdate(time.time() + off, usegmt=True)
    with listing({"/v1/models": Reply(200, GPT, date)}) as lists:
        found = of(run(tmp_path, openai(lists), "--json"), "clock")
    assert (found["state"], words in found["what"]) == (state, True)


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_a_provider_that_does_not_tell_the_time(tmp_path: Path, date: str) -> None:
    with listing({"/v1/models": Reply(200, GPT, date)}) as lists:
        assert of(run(tmp_path, openai(lists), "--json"), "clock")["state"] == "warning"


def test_providers_are_asked_at_the_same_time(tmp_path: Path) -> None:
    both = threading.Event()  # each reply waits until the other has been asked for, too
    with listing({}) as lists:
        waiting = Reply(200, {"data": [{"id": "m"}]}, wait=both)
        lists.replies = {"/a/models": waiting, "/b/models": waiting}
        text = "catalogue = false\n" + "".join(
            f'[providers.{name}]\ndialect = "openai"\nbase_url = "{lists.origin}/{name}"\n'
            f'[models.{name}]\nprovider = "{name}"\nupstream_model = "m"\n'
            for name in "ab"
        )

        def open_when_both_are_asked() -> None:
            deadline = time.monotonic() + PATIENCE
            while len(lists.asked) < 2 and time.monotonic() < deadline:
                time.sleep(0.01)
            if len(lists.asked) == 2:
                both.set()

        watcher = threading.Thread(target=open_when_both_are_asked)
        watcher.start()
        result = run(tmp_path, text, "--json")
        watcher.join()
        both.set()
    assert {of(result, f"provider {name}")["state"] for name in "ab"} == {"ok"}


def test_every_dialect_s_own_list(tmp_path: Path) -> None:
    bedrock = {"modelSummaries": [{"modelId": "amazon.nova-2-lite-v1:0"}]}
    profiles = {"inferenceProfileSummaries": [{"inferenceProfileId": "us.anthropic.claude-x"}]}
    replies = {
        "/anthropic/models?limit=1000": Reply(
            200, {"data": [{"id": "claude-old"}], "has_more": True, "last_id": "claude-old"}
        ),
        "/anthropic/models?limit=1000&after_id=claude-old": Reply(
            200, {"data": [{"id": "claude-new-20260101"}], "has_more": False, "last_id": "x"}
        ),
        "/gemini/models?pageSize=1000": Reply(
            200, {"models": [{"name": "models/old"}], "nextPageToken": "a b"}
        ),
        "/gemini/models?pageSize=1000&pageToken=a%20b": Reply(
            200, {"models": [{"name": "models/gemini-x"}]}
        ),
        "/cohere/v1/models?endpoint=chat&page_size=1000": Reply(
            200, {"models": [{"name": "command-x"}]}
        ),
        "/bedrock/foundation-models": Reply(200, bedrock),
        "/bedrock/inference-profiles?maxResults=1000": Reply(200, profiles),
        "/azure/openai/models?api-version=2024-10-21": Reply(200, {"data": [{"id": "gpt-4.1"}]}),
    }
    models = {
        "anthropic": "claude-new", "gemini": "gemini-x", "cohere": "command-x",
        "bedrock": "us.anthropic.claude-x", "azure": "gpt-4.1",
    }  # fmt: skip
    with listing(replies) as lists:
        path = {"cohere": "cohere/v2"}
        text = "catalogue = false\n" + "".join(
            f'[providers.{name}]\napi_key = "{KEY}"\n'
            f'base_url = "{lists.origin}/{path.get(name, name)}"\n'
            f'[models."{name}-model"]\nprovider = "{name}"\nupstream_model = "{model}"\n'
            for name, model in models.items()
        )
        result = run(tmp_path, text, "--json")
        asked = dict(lists.asked)
    assert result.exit_code == 0, result.output
    assert set(replies) <= set(asked)
    for name in models:
        assert of(result, f"provider {name}")["state"] == "ok"
        state = "warning" if name == "azure" else "ok"
        assert of(result, f"model {name}-model")["state"] == state
    assert asked["/anthropic/models?limit=1000"]["x-api-key"] == KEY
    assert asked["/anthropic/models?limit=1000"]["anthropic-version"] == "2023-06-01"
    assert asked["/gemini/models?pageSize=1000"]["x-goog-api-key"] == KEY
    assert asked["/bedrock/foundation-models"]["authorization"] == f"Bearer {KEY}"


def test_requests_to_aws_are_signed(tmp_path: Path) -> None:
    with listing({"/foundation-models": Reply(200, {"modelSummaries": []})}) as lists:
        text = (
            f'catalogue = false\n[providers.bedrock]\nbase_url = "{lists.origin}"\n'
            f'region = "us-east-1"\naccess_key_id = "AKIAPLANTED000000001"\napi_key = "{KEY}"\n'
            '[models.m]\nprovider = "bedrock"\n'
        )
        run(tmp_path, text, "--json")
        _, headers = lists.asked[0]
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAPLANTED000000001/")


def test_the_local_model_s_weights_are_looked_for(tmp_path: Path) -> None:
    (tmp_path / "own.gguf").write_bytes(b"GGUF")
    told = []
    for weights in ("", 'weights = "own.gguf"', 'weights = "gone.gguf"'):
        text = f'catalogue = false\n[providers.near]\ndialect = "local"\n{weights}\n'
        text += '[models.m]\nprovider = "near"\n'
        told.append(of(run(tmp_path, text, "--offline", "--json"), "provider near"))
    assert [one["state"] for one in told] == ["warning", "ok", "problem"]
    assert told[2]["fix"] == "Correct `weights` in [providers.near]."


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
    assert "used of own:" in found["what"]
    priced = text + "price = { input = 1, output = 2 }\n" + budget
    assert of(run(tmp_path, priced, *arguments), "prices")["state"] == "ok"
