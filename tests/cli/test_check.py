"""`callgate check`: what is wrong with a set-up, found by asking real servers."""

from __future__ import annotations

import ssl
import threading
import time
from email.utils import formatdate
from pathlib import Path

import pytest
import trustme

from lists import Reply, listing
from patience import PATIENCE

from .checking import GPT, KEY, findings, of, openai, run


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
        (Reply(429, {"error": {"message": "slow"}}), "warning", "cannot give its list right now"),
        (Reply(503, b"away"), "warning", "cannot give its list right now"),
        (Reply(200, b"<html>a portal</html>"), "problem", "not a list of models"),
        (Reply(200, {"models": 5}), "problem", "not a list of models"),
        (Reply(302, b""), "problem", "not a list of models"),
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
    assert any("it is unknown whether" in one for one in told)


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


@pytest.mark.parametrize("date", ["", "yesterday", f"Mon, 01 Jan {'9' * 20} 00:00:00 GMT"])
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
