"""`callgate logs`: records of store and journal as lines, filtered, followed, each once."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest

import samples
from callgate.cli import logs as command
from callgate.cli.following import Follower
from callgate.cli.liverecords import LiveRecords
from callgate.core import keys
from callgate.store.base import Query, RequestLog, StoreAwayError
from callgate.store.records import Records
from patience import PATIENCE

from .conftest import Home


def listed(home: Home, *arguments: str) -> list[str]:
    return [record["request_id"] for record in home.json("logs", *arguments)]


def test_store_and_journal_are_one_list_newest_last(
    home: Home, journal: Callable[..., None]
) -> None:
    records = [samples.answered(ago_ms=ago) for ago in (4000, 3000, 2000, 1000)]
    home.ship(records[0], records[2])
    journal(records[1], records[3])
    assert listed(home) == [record.request_id for record in records]


def test_a_record_in_both_is_listed_once(home: Home, journal: Callable[..., None]) -> None:
    record = samples.answered()
    home.ship(record)
    journal(record)
    assert listed(home) == [record.request_id]


def test_the_limit_takes_the_newest(home: Home, journal: Callable[..., None]) -> None:
    records = [samples.answered(ago_ms=ago) for ago in (4000, 3000, 2000, 1000)]
    home.ship(*records[:2])
    journal(*records[2:])
    assert listed(home, "--limit", "3") == [record.request_id for record in records[1:]]
    assert "these are the newest 3, not all" in home.run("logs", "--limit", "3").stderr
    assert home.run("logs", "--limit", "4").stderr == ""


@pytest.mark.parametrize("place", ["store", "journal"])
@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "old answered refused failed cut"),
        (("--status", "200"), "old answered"),
        (("--status", "5xx"), "failed cut"),
        (("--status", "4XX"), "refused"),
        (("--model", "gpt-4.1"), "answered failed cut"),
        (("--account", "acme"), "old answered failed"),
        (("--key", "key_2"), "cut"),
        (("--error", "--limit", "9"), "refused failed cut"),
        (("--error", "--limit", "2"), "failed cut"),
        (("--error", "unauthorized"), "refused"),
        (("--since", "1h"), "answered refused failed cut"),
        (("--until", "1h"), "old"),
        (("--since", "3h", "--until", "1m"), "old answered refused"),
        (("--status", "5xx", "--account", "other"), "cut"),
        (("--min-duration", "2700ms"), "failed"),
        (("--min-duration", "1s", "--status", "200"), "old answered"),
        (("--min-duration", "1s", "--status", "200", "--limit", "1"), "answered"),
        (("--min-cost", "0.50"), "old"),
        (("--min-cost", "0.51"), ""),
    ],
    ids=" ".join,
)
def test_filters_find_records_in_store_and_journal(
    home: Home, journal: Callable[..., None], place: str, arguments: tuple[str, ...], expected: str
) -> None:
    records = {
        "old": samples.answered(ago_ms=7_200_000, model="gpt-4o", cost_usd=0.5),
        "answered": samples.answered(ago_ms=240_000),
        "refused": samples.refused(ago_ms=180_000),
        "failed": samples.failed(ago_ms=2000),
        "cut": samples.cut(ago_ms=1000, account="other", key_id="key_2"),
    }
    (home.ship if place == "store" else journal)(*records.values())
    names = {record.request_id: name for name, record in records.items()}
    assert " ".join(names[id_] for id_ in listed(home, *arguments)) == expected


@pytest.mark.parametrize("command", ["logs", "usage"])
def test_a_key_makes_no_store_where_there_is_none(home: Home, command: str) -> None:
    result = home.run(command, "--key", keys.mint("us", bytes(20)))
    assert (result.exit_code, home.data.exists()) == (1, False)
    assert "there is no store at" in result.stderr


def test_a_key_that_leaked_leads_to_what_was_done_with_it(home: Home) -> None:
    (made,) = home.json("keys", "create", "--name", "leaked")
    mine = samples.answered(key_id=made["id"])
    home.ship(mine, samples.answered())
    assert listed(home, "--key", made["key"]) == [mine.request_id]
    (usage,) = home.json("usage", "--by", "key", "--key", made["key"])
    assert (usage["key_id"], usage["requests"]) == (made["id"], 1)
    another = keys.mint("us", bytes(20))
    unknown = home.run("logs", "--key", another)
    assert (unknown.exit_code, unknown.stdout) == (1, "")
    assert another not in unknown.stderr


def test_what_was_dear_is_listed_with_its_cost(home: Home) -> None:
    home.ship(samples.answered(cost_usd=1234.5), samples.answered())
    (line,) = home.run("logs", "--min-cost", "0.50").stdout.splitlines()
    assert " $1,234.500000 " in line
    assert "$" not in home.run("logs").stdout


def test_a_search_that_time_ends_tells_where_to_go_on(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "_SEARCH_SECONDS", 0.0)
    old, new = (samples.answered(ago_ms=ago) for ago in (7_200_000, 1000))
    home.ship(old, new)
    result = home.run("logs", "--min-duration", "1s")
    assert new.request_id in result.stdout
    assert old.request_id not in result.stdout
    found = re.search(r"there was time to read back to (\S+); .* add --until \1\n", result.stderr)
    assert found
    monkeypatch.undo()
    assert listed(home, "--min-duration", "1s", "--until", found[1]) == [old.request_id]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--min-duration", "10"), ("--min-duration", "0s"), ("--min-cost", "0"), ("--min-cost", "x")],
)
def test_bounds_that_make_no_sense_are_refused(home: Home, option: str, value: str) -> None:
    result = home.run("logs", option, value)
    assert result.exit_code == 2
    assert f"{value!r} must be " in result.stderr


def test_a_line_tells_what_matters(home: Home) -> None:
    home.ship(samples.failed(ago_ms=10, model_served="gpt-4o", message="a\x1b[31mb"))
    home.ship(samples.answered())
    failed, answered = home.run("logs").stdout.splitlines()
    for told in ("504", "2.70 s", "gpt-4.1 > gpt-4o", "acme", "upstream_timeout: a\\x1b[31mb"):
        assert told in failed
    for told in ("200", "1.20 s", "12+34"):
        assert told in answered
    nothing = home.run("logs", "--model", "nope")
    assert (nothing.exit_code, nothing.stdout) == (0, "")
    assert "no request on record matches" in nothing.stderr


def test_reading_where_there_is_no_store_says_so_and_makes_none(home: Home) -> None:
    result = home.run("logs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"there is no store at {home.data / 'callgate.db'}" in result.stderr
    assert not home.data.exists()


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("arguments", [(), ("--follow",)], ids=["once", "follow"])
def test_a_journal_that_cannot_be_read_is_told_with_the_fix(
    home: Home, arguments: tuple[str, ...], *, stored: bool
) -> None:
    if stored:
        home.ship()
    (home.data / "journal" / "1795426683000-1-a.journal").mkdir(parents=True)
    result = home.run("logs", *arguments)
    assert result.exit_code == 1
    assert "cannot be read: Is a directory; give it to the user" in result.stderr
    assert "until the store answers" not in result.stderr


def test_wrong_filters_are_named(home: Home) -> None:
    for arguments in (
        ("--status", "600"),
        ("--status", "4x"),
        ("--since", "ages"),
        ("--until", "--since"),
        ("--since", "1h", "--until", "2h"),
        ("--until", "1h", "--follow"),
    ):
        result = home.run("logs", *arguments)
        assert (result.exit_code, result.stdout) == (2, "")
        assert arguments[0] in result.stderr


def test_times_are_taken_as_a_line_tells_them(home: Home) -> None:
    records = [samples.answered(ago_ms=ago) for ago in (3000, 2000, 1000)]
    home.ship(*records)
    told = home.run("logs").stdout.splitlines()[1].partition("  ")[0]
    assert listed(home, "--since", told) == [record.request_id for record in records[1:]]
    assert listed(home, "--until", told) == [records[0].request_id]


class TestFollower:
    """What is given after the beginning: every new record once, late ones too."""

    @pytest.fixture
    def records(self, home: Home) -> Any:
        home.ship()
        store = home.store()
        yield Records(store.requests, home.data / "journal")
        store.close()

    def test_gives_the_newest_first_and_then_what_is_new(
        self, home: Home, journal: Callable[..., None], records: Records
    ) -> None:
        old = [samples.answered(ago_ms=ago) for ago in (3000, 2000, 1000)]
        home.ship(*old)
        follower = Follower(records, Query(limit=2))
        now = old[-1].time + 1000
        assert [one.request_id for one in follower.begin(now)] == [
            one.request_id for one in old[1:]
        ]
        assert follower.poll(now + 500) == []
        new = samples.answered()
        journal(new)
        assert [one.request_id for one in follower.poll(now + 1000)] == [new.request_id]
        home.ship(new)
        assert follower.poll(now + 1500) == []

    def test_finds_a_long_call_that_ended_late(self, home: Home, records: Records) -> None:
        follower = Follower(records, Query(limit=5))
        late = samples.answered(ago_ms=300_000)
        now = late.time + 300_000
        follower.begin(now)
        home.ship(late)
        assert follower.poll(now + 500) == []
        assert [one.request_id for one in follower.poll(now + 5500)] == [late.request_id]
        assert follower.poll(now + 11_000) == []

    def test_filters_what_comes(self, journal: Callable[..., None], records: Records) -> None:
        follower = Follower(records, Query(limit=5, status=5))
        failed = samples.failed()
        follower.begin(failed.time)
        journal(samples.answered(), failed)
        assert [one.request_id for one in follower.poll(failed.time + 500)] == [failed.request_id]


class Unsteady:
    """A store that answers only while it is not `away`."""

    def __init__(self, log: RequestLog) -> None:
        self._log = log
        self.away = True

    def find(self, query: Query) -> Any:
        if self.away:
            raise StoreAwayError("it is away")
        return self._log.find(query)


def test_follow_outlasts_the_store_and_finds_what_it_was_given_meanwhile(
    home: Home, journal: Callable[..., None]
) -> None:
    home.ship()
    told: list[str] = []
    with closing(home.store()) as store:
        log = Unsteady(store.requests)
        follower = Follower(
            LiveRecords(cast("RequestLog", log), home.data / "journal", told.append), Query(limit=5)
        )
        one, missed, old = (samples.answered(ago_ms=ago) for ago in (1000, 900, 3_600_000))
        now = one.time + 1000
        assert follower.begin(now) == []
        journal(one)
        assert [found.request_id for found in follower.poll(now)] == [one.request_id]
        home.ship(one, missed, old)  # by a clerk for whom the store is back already
        assert follower.poll(now + 60_000) == []
        log.away = False
        found = follower.poll(now + 61_000)
        assert [record.request_id for record in found] == [missed.request_id]
        assert follower.poll(now + 61_500) == []
    assert told == [
        "only the journals are read until the store answers: it is away",
        "the store answers again",
    ]


def test_follow_prints_what_comes_until_interrupted(
    home: Home, journal: Callable[..., None]
) -> None:
    old, new = samples.answered(ago_ms=1000), samples.refused()
    home.ship(old)
    command = [sys.executable, "-m", "callgate", "logs", "--follow", "--json"]
    with subprocess.Popen(
        [*command, "--config", str(home.config)], stdout=subprocess.PIPE, text=True, cwd=Path("/")
    ) as process:
        try:
            assert process.stdout is not None
            assert json.loads(process.stdout.readline())["request_id"] == old.request_id
            journal(new)
            assert json.loads(process.stdout.readline())["request_id"] == new.request_id
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130
            assert process.stdout.read() == ""
        finally:
            process.kill()
