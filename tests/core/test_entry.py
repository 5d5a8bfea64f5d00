"""What is booked of a record, as a line of the journal says it."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec
import pytest
from msgspec.structs import astuple

from callgate.core.chat import Usage
from callgate.core.entries import entries_of
from callgate.core.entry import Counts, Entry, Kind, Outcome
from callgate.core.heading import MOST_TOKENS
from callgate.core.record import Attempt, Record
from samples import answered, attempt, cut, failed, line_of, refused

ID = "01a20871-60ce-7f35-ad31-030c9ec39fae"
# As records were before they had a heading: bytes that an older version wrote.
OLD = (
    b'{"request_id":"01a20871-60ce-7f35-ad31-030c9ec39fae","time":1795437977806,"region":"us",'
    b'"method":"POST","path":"/v1/chat/completions","status":200,"account":"default",'
    b'"key_id":"key_CoOw5w7dFFb","model":"fake","model_served":"fake","provider":"fake",'
    b'"parameters":{"model":"fake","stop":[\t"a"]},"message_count":2,"prompt_bytes":191,'
    b'"usage":{"input_tokens":42,"output_tokens":37,"total_tokens":79,'
    b'"input_details":{"cached_tokens":4},"output_details":{"reasoning_tokens":5}},'
    b'"cost_usd":0.5,"total_us":48043,"upstream_us":47290,"first_token_us":47830,'
    b'"gateway_us":753,"attempts":[{"model":"fake","provider":"fake","upstream_model":"fake",'
    b'"started_us":626,"deployment":"fake/fake","status":200,"decision":"done"}],'
    b'"notes":["noted"]}'
)
# And as they are: what is on disk must be read by every later version.
NEW = (
    b'{"entry":["01a20871-60ce-7f35-ad31-030c9ec39fae",1795437977806,"default","key_CoOw5w7dFFb",'
    b'0.5,48043,47290,47830,753,["noted"],[42,37,4,0,5,false]],\t'
    b'"kind":[200,"fake","fake","fake",false,null,[["fake","fake","fake/fake",null]]],\t'
) + OLD[1:]


def entry_of(line: bytes) -> Entry:
    (entry,), refused = entries_of([line])
    assert refused == []
    return entry


@pytest.mark.parametrize("make", [answered, refused, failed, cut])
def test_an_entry_says_what_its_record_says(make: type[Record]) -> None:
    record = make()
    entry = entry_of(line_of(record))
    for part, added in ((entry, {"usage", "kind", "body"}), (entry.kind, {"attempts"})):
        for name in {*part.__struct_fields__} - added:
            assert getattr(part, name) in (getattr(record, name), [*record.notes]), name
    outcomes = [(one.model, one.provider, one.deployment, one.error) for one in record.attempts]
    assert [astuple(one) for one in entry.kind.attempts] == outcomes
    assert (entry.usage is None) == (record.usage is None)
    assert msgspec.json.decode(entry.body, type=Record) == record


def test_a_line_of_an_older_version_says_the_same() -> None:
    entry, before = entry_of(NEW), entry_of(OLD)
    assert astuple(entry.kind) == astuple(before.kind)
    assert [*astuple(entry)][:-2] == [*astuple(before)][:-2]
    assert entry.body == before.body == OLD


def test_a_line_on_disk_is_read_as_it_was_meant() -> None:
    entry = entry_of(NEW)
    assert (entry.request_id, entry.time, entry.account) == (ID, 1795437977806, "default")
    assert (entry.key_id, entry.cost_usd, entry.notes) == ("key_CoOw5w7dFFb", 0.5, ["noted"])
    assert (entry.total_us, entry.upstream_us) == (48043, 47290)
    assert (entry.first_token_us, entry.gateway_us) == (47830, 753)
    assert entry.usage == Counts(
        input_tokens=42, output_tokens=37, cached_tokens=4, cache_write_tokens=0,
        reasoning_tokens=5, estimated=False,
    )  # fmt: skip
    assert astuple(entry.kind) == (
        200, "fake", "fake", "fake", False, None, (Outcome("fake", "fake", "fake/fake", None),),
    )  # fmt: skip


def test_what_is_written_is_what_is_on_disk() -> None:
    assert line_of(msgspec.json.decode(OLD, type=Record)).startswith(NEW.removesuffix(OLD[1:]))


def test_to_who_knows_of_no_heading_it_is_the_record_all_the_same() -> None:
    told = msgspec.json.decode(NEW)
    del told["entry"], told["kind"]
    assert told == msgspec.json.decode(OLD)
    assert msgspec.json.decode(NEW, type=Record) == msgspec.json.decode(OLD, type=Record)


@pytest.mark.parametrize("count", [10**400, -(10**400), -5, True, "9", None, [1], 2**53])
def test_a_count_that_makes_no_sense_is_bounded(count: Any) -> None:
    details = {"cached_tokens": count, "cache_write_tokens": 3}
    usage = Usage(input_tokens=9, output_tokens=5, total_tokens=14, input_details=details)
    used = entry_of(line_of(answered(usage=usage))).usage
    assert used is not None
    assert used.cached_tokens in (0, MOST_TOKENS)
    assert (used.input_tokens, used.cache_write_tokens, used.reasoning_tokens) == (9, 3, 0)


@pytest.mark.parametrize(
    "bad",
    [
        b"", b"{", b"[]", b'{"status":200}', b"\xff", b'{"request_id":1,"time":1,"status":2}',
        b'{"entry":[],\t"kind":[],\t}', NEW.replace(b"\t", b" "),
        NEW.replace(b'"default"', b"7"), b"\t\t",
    ],
)  # fmt: skip
def test_what_is_no_record_is_told_from_those_that_are(bad: bytes) -> None:
    good = line_of(answered(attempts=[attempt()]))
    entries, refused = entries_of([good, bad, good])
    assert [entry.body for entry in entries] == [entry_of(good).body] * 2
    assert refused == [bad]


def test_records_are_of_one_kind_that_differ_in_nothing_metrics_tell_them_by() -> None:
    alike = [answered(), answered(total_us=1), answered(attempts=[attempt(host="h")], key_id="k")]
    others = [
        answered(attempts=[]), answered(attempts=[attempt(), attempt()]),
        answered(attempts=[attempt(error="rate_limited")]), answered(model="other"),
        answered(model_served="other"), answered(provider="other"), answered(status=201),
        answered(stream=True), answered(error="stream_cut"),
    ]  # fmt: skip
    entries, _ = entries_of([line_of(one) for one in (*alike, *others)])
    kinds = Counter(entry.kind for entry in entries)
    assert list(kinds.values()) == [len(alike)] + [1] * len(others)


@pytest.mark.parametrize(
    ("part", "whole", "added"),
    [(Entry, Record, {"kind", "body"}), (Kind, Record, set()), (Outcome, Attempt, set())],
)
def test_the_parts_have_the_names_of_the_record(
    part: type[msgspec.Struct], whole: type[msgspec.Struct], added: set[str]
) -> None:
    assert {*part.__struct_fields__} - added <= {*whole.__struct_fields__}
