"""`callgate show`: from an id to the record and its story, wherever the record is."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

import samples
from callgate.cli import requestlookup
from callgate.core import ids, keys
from callgate.core.record import Record
from callgate.core.trace import TraceContext

from .conftest import Home

DAY = 86_400_000
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
LIKE_OURS = "4bf92f3577b37da6a3ce929d0e0e4736"
UUID7 = "0199a5b4-6c1e-7d3a-9a41-5c1f0c6f2b7e"


def assert_unknown(home: Home, wanted: str, told: str) -> None:
    result = home.run("show", wanted)
    assert (result.exit_code, result.stdout) == (1, "")
    first, fix = result.stderr.splitlines()
    assert first.startswith("callgate: ")
    assert told in first
    assert fix.startswith("  ")


@pytest.mark.parametrize("place", ["store", "journal"])
@pytest.mark.parametrize("make", [samples.answered, samples.refused, samples.failed, samples.cut])
def test_json_is_the_whole_record_from_store_or_journal(
    home: Home, journal: Callable[..., None], make: Callable[[], Record], place: str
) -> None:
    record = make()
    (home.ship if place == "store" else journal)(record)
    result = home.run("show", record.request_id, "--json")
    assert result.exit_code == 0, result.output
    assert msgspec.json.decode(result.stdout, type=Record) == record
    assert result.stdout.count("\n") == 1


def test_a_call_that_was_answered(home: Home) -> None:
    record = samples.answered()
    home.ship(record)
    lines = home.run("show", record.request_id).stdout.splitlines()
    assert lines[0] == "ANSWERED  200 by gpt-4.1 at openai in 1.20 s"
    text = "\n".join(lines)
    for told in (
        record.request_id, "req_7f3a", "gpt-4.1 at openai (api.openai.com): 200", "12 in + 34 out",
        "cached 4, reasoning 20", "$0.000296", "acme", "first token after", '"max_tokens":1000',
        "done: the answer is complete",
    ):  # fmt: skip
        assert told in text
    assert "What to do" not in text


def test_a_call_that_was_refused(home: Home) -> None:
    record = samples.refused(fix="The header is spelt `Authorization`, with a z.")
    home.ship(record)
    lines = home.run("show", record.request_id).stdout.splitlines()
    assert lines[0] == (
        "REFUSED  401 unauthorized by the gateway in 340 µs; nothing was sent to a provider"
    )
    text = "\n".join(lines)
    assert "Unauthorized - Invalid or missing API key" in text
    assert "at fault            the caller" in text
    assert "The header is spelt `Authorization`, with a z." in text
    assert "would fail in the same way" in text
    assert "none that is valid" in text
    assert "Attempts" not in text
    assert "support@example.com" in text


def test_a_call_that_failed_twice(home: Home) -> None:
    record = samples.failed()
    home.ship(record)
    lines = home.run("show", record.request_id).stdout.splitlines()
    assert lines[0] == "FAILED  504 upstream_timeout at azure after 2 attempts in 2.70 s"
    text = "\n".join(lines)
    for told in (
        "1 gpt-4.1 at openai (api.openai.com): 503 provider_unavailable",
        "it said             The server is overloaded",
        "what happened       No response within 1 s",
        "retry in 0.9 s: the provider is unavailable",
        "2 gpt-4.1 at azure as our-gpt (acme.openai.azure.com): no answer upstream_timeout",
        "stop: no other target",
        "openai              request id req_7f3a",
        "the provider azure",
        "pauses between attempts",
    ):
        assert told in text
    first, second = (line for line in lines if line.startswith("    |"))
    assert first.index("·") == 5
    assert second.index("·") > first.rindex("░")


def test_a_stream_that_was_cut(home: Home) -> None:
    record = samples.cut()
    home.ship(record)
    lines = home.run("show", record.request_id).stdout.splitlines()
    assert lines[0].startswith(
        "CUT  502 upstream_cut at openai in 1.20 s: the stream had begun with status 200 and broke"
    )
    text = "\n".join(lines)
    assert "12 in + 7 out, estimated" in text
    assert "POST /v1/chat/completions, streamed" in text
    assert "the caller has part of it already" in text
    assert "what happened       The answer broke off" in text  # the provider said nothing of it


def test_foreign_text_cannot_command_the_terminal(home: Home) -> None:
    evil = "\x1b]0;owned\x07\u202egnp.exe\r\n\x9b2J"
    record = samples.failed(message=evil, user_agent=evil, model=evil, notes=[evil])
    home.ship(record)
    result = home.run("show", record.request_id)
    assert result.exit_code == 0
    assert not set(result.stdout) & set("\x1b\x07\x9b\r\u202e")
    assert "\\x1b]0;owned\\x07\\u202egnp.exe" in result.stdout


@pytest.mark.parametrize(
    "paste",
    [
        str.upper,
        "  {}\n".format,
        '"{}",'.format,
        "(\u201c{}\u201d).".format,
        "https://llm.example.com/v1/requests/{}".format,
        "request_id={}&more".format,
        lambda id_: id_.replace("-", ""),
        lambda id_: id_.replace("0", "O").replace("1", "l"),
        lambda id_: id_[:23] + "...",
        lambda id_: id_[14:],
        lambda id_: id_[-8:],
        lambda id_: id_[-12:].upper().replace("0", "O"),
    ],
    ids=[
        "upper", "blanks", "quoted", "in a sentence", "URL", "form", "no hyphens", "letters",
        "cut off", "end", "last eight", "end in capitals",
    ],
)  # fmt: skip
def test_an_id_may_be_pasted_as_it_was_found(home: Home, paste: Callable[[str], str]) -> None:
    record = samples.answered()
    home.ship(record)
    assert home.json("show", paste(record.request_id))[0]["request_id"] == record.request_id


def test_the_beginning_of_an_id_will_do_while_it_is_the_only_one(
    home: Home, journal: Callable[..., None]
) -> None:
    one, other = samples.answered(), samples.answered(ago_ms=90_000)
    home.ship(one)
    journal(other)
    for record in (one, other):
        assert home.json("show", record.request_id[:8])[0]["request_id"] == record.request_id
    near = samples.answered(
        request_id=one.request_id[:-1] + ("0" if one.request_id[-1] != "0" else "1"), time=one.time
    )
    home.ship(near)
    result = home.run("show", one.request_id[:-1])
    assert (result.exit_code, result.stdout) == (1, "")
    assert one.request_id in result.stderr
    assert near.request_id in result.stderr


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("chatcmpl-9Zk", "'chatcmpl-9zk' is not the id of a request"),
        ("1b4e28ba-2fa1-41d2-883f-0016d3cca427", "is not the id of a request"),
        ("", "'' is not the id of a request"),
        ("01997c3e", "begins or ends with 01997c3e"),
    ],
)
def test_what_is_no_id_is_explained(home: Home, wanted: str, told: str) -> None:
    home.ship()
    assert_unknown(home, wanted, told)


@pytest.mark.parametrize(
    ("days", "told"),
    [
        (-31, "records are kept for 30 days"),
        (1, "in the future"),
        (-1, "no record of request"),
    ],
)
def test_an_unknown_id_is_explained_by_its_time(home: Home, days: int, told: str) -> None:
    home.ship()
    now = time.time_ns() // 1_000_000
    assert_unknown(home, ids.uuid7(now + days * DAY, 1), told)


def test_why_a_record_may_be_missing_is_told(home: Home) -> None:
    home.ship()
    result = home.run("show", ids.uuid7(time.time_ns() // 1_000_000, 1))
    assert "never will be if the worker was killed" in result.stderr


def test_a_key_given_by_mistake_is_not_repeated(home: Home) -> None:
    key = keys.mint("us", bytes(20))
    result = home.run("show", key)
    assert result.exit_code == 1
    assert key.lower() not in result.output.lower()


def test_while_the_store_is_away_the_journal_still_tells(
    home: Home, journal: Callable[..., None]
) -> None:
    record = samples.answered()
    journal(record)
    (home.data / "callgate.db").write_bytes(b"no database at all" * 100)
    result = home.run("show", record.request_id, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["request_id"] == record.request_id
    assert "only the journals are read" in result.stderr


@pytest.mark.parametrize("command", ["show", "why", "bundle"])
def test_an_id_in_bytes_that_are_no_text_is_told_in_a_line(home: Home, command: str) -> None:
    home.ship(samples.answered())
    result = home.run(command, "\udcff\udcfe-of-theirs")  # as Python reads such an argument
    assert result.exit_code == 2
    assert "is not UTF-8" in result.stderr


@pytest.mark.parametrize("place", ["store", "journal"])
@pytest.mark.parametrize(
    ("theirs", "given"),
    [
        ("Order-1042/ä", {"client_request_id": "Order-1042/ä"}),
        ("ABCDEF12", {"client_request_id": "ABCDEF12"}),
        (UUID7, {"client_request_id": UUID7}),
        ("req_7f3a9", {"attempts": [samples.attempt(provider_request_id="req_7f3a9")]}),
        (TRACE, {"trace": TraceContext(id=TRACE)}),
        # What a request id has in two of its digits, a trace's has by chance.
        (LIKE_OURS, {"trace": TraceContext(id=LIKE_OURS)}),
    ],
)
def test_an_id_that_another_gave_leads_to_the_request(
    home: Home, journal: Callable[..., None], theirs: str, given: dict[str, Any], place: str
) -> None:
    record = samples.answered(**given)
    others = [samples.answered(client_request_id="Order-104"), samples.failed(message=theirs)]
    put = home.ship if place == "store" else journal
    put(record, *others)
    assert home.json("show", theirs)[0]["request_id"] == record.request_id
    put(samples.answered(client_request_id=theirs, ago_ms=DAY))
    result = home.run("show", theirs)
    assert result.exit_code == 1
    assert "2 requests match this id" in result.stderr
    assert record.request_id in result.stderr


@pytest.mark.parametrize("at", [0, 5, 12, 16, 25, 35])
def test_of_an_id_with_a_wrong_digit_the_right_one_is_offered(home: Home, at: int) -> None:
    record = samples.answered()
    home.ship(record, samples.answered(ago_ms=60_000))
    right = record.request_id
    wrong = right[:at] + ("3" if right[at] != "3" else "4") + right[at + 1 :]
    result = home.run("show", wrong)
    assert result.exit_code == 1
    assert f"Did you mean {right}?" in result.stderr


def test_another_request_of_the_moment_is_not_offered_for_one_without_a_record(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = samples.answered()
    home.ship(record)
    lost = ids.uuid7(ids.unix_ms(record.request_id), bytes(range(10)))
    assert_unknown(home, lost, f"no record of request {lost}, made at")
    assert record.request_id not in home.run("show", lost).stderr
    monkeypatch.setattr(requestlookup, "_SCANNED", 1)  # as many as a busy gateway has there
    assert_unknown(home, lost, f"no record of request {lost}, made at")


def test_what_was_going_on_around_it(home: Home, journal: Callable[..., None]) -> None:
    record = samples.failed(
        notes=["left alone: azure/gpt-4.1 (circuit open)"],
        quota_model="gpt-4.1", quota_limit=30, quota_left=0,
    )  # fmt: skip
    record.quota_until = record.time + 12_000
    home.ship(record, samples.answered(), samples.answered(ago_ms=400_000))
    journal(samples.answered(), samples.failed(error="circuit_open"), samples.answered(model="x"))
    text = home.run("show", record.request_id).stdout
    assert "in five minutes     2 of 4 calls for gpt-4.1 failed (50%)" in text
    assert "1 circuit_open, 1 upstream_timeout" in text
    assert "turned away         1 by an open circuit" in text
    assert "left alone          azure/gpt-4.1 (circuit open)" in text
    assert "0 of 30 requests left for gpt-4.1, the window ended 12 s later" in text


def test_json_has_the_explanation_too(home: Home) -> None:
    record = samples.failed()
    home.ship(record)
    (found,) = home.json("show", record.request_id)
    explanation = found["explanation"]
    assert explanation["fault"] == "the provider azure"
    assert explanation["fix"].startswith("Retry")
    assert [step["decision"] for step in explanation["steps"]] == ["retry in 0.9 s", "stop"]
    assert {"label": "circuit", "value": "closed when the request came"} in explanation["around"]


def test_an_id_of_less_than_eight_characters_is_called_too_short(home: Home) -> None:
    home.ship(samples.answered())
    assert_unknown(home, "01a206b", "too short")
