"""What is booked of a record."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from msgspec import Raw
from msgspec.structs import asdict, replace

from callgate.core.chat import Usage
from callgate.core.entry import Entry, EntryAttempt, EntryUsage, Kind, entries_of
from callgate.core.record import MARK, Attempt, Record, marked
from samples import answered, attempt, booked, cut, failed, refused

ADDED = ("body", "kind")


@pytest.mark.parametrize("make", [answered, refused, failed, cut])
def test_an_entry_says_what_its_record_says(make: type[Record]) -> None:
    record = make()
    (entry,) = booked(record)
    said = {name: getattr(record, name) for name in Entry.__struct_fields__ if name not in ADDED}
    attempts = [(one.model, one.provider, one.deployment, one.error) for one in record.attempts]
    del said["attempts"], said["usage"]
    assert {name: getattr(entry, name) for name in said} == said
    assert [msgspec.structs.astuple(one) for one in entry.attempts] == attempts
    assert (entry.usage is None) == (record.usage is None)
    assert msgspec.json.decode(entry.body, type=Record) == record


def test_the_tokens_are_those_of_the_record() -> None:
    usage = Usage(
        input_tokens=9, output_tokens=5, total_tokens=14, estimated=True,
        input_details={"cached_tokens": 4, "audio_tokens": 1},
        output_details={"reasoning_tokens": 3},
    )  # fmt: skip
    (entry,) = booked(answered(usage=usage))
    used = entry.usage
    assert used is not None
    assert (used.input_tokens, used.output_tokens, used.estimated) == (9, 5, True)
    assert used.input_details is not None
    assert (used.input_details.cached_tokens, used.input_details.cache_write_tokens) == (4, 0)
    assert used.output_details is not None
    assert used.output_details.reasoning_tokens == 3


# As an earlier version wrote records: in another order, and without the mark.
EARLIER = (
    b'{"request_id":"01a20871-60ce-7f35-ad31-030c9ec39fae","time":1795437977806,"region":"us",'
    b'"method":"POST","path":"/v1/chat/completions","status":200,"account":"acme","model":"m",'
    b'"model_served":"m","provider":"p","stream":true,'
    b'"parameters":{"model":"m","stop":%b,"n":1},"message_count":2,'
    b'"usage":{"input_tokens":42,"output_tokens":37,"total_tokens":79,'
    b'"input_details":{"cached_tokens":4}},"cost_usd":0.5,"total_us":48043,"upstream_us":47290,'
    b'"first_token_us":47830,"gateway_us":753,"attempts":[{"model":"m","provider":"p",'
    b'"upstream_model":"u","started_us":626,"deployment":"p/u","status":200,"decision":"done"}],'
    b'"notes":["noted"]}'
)


def marked_line(record: Record) -> bytes:
    """What a worker writes."""
    return msgspec.json.encode(replace(record, region=marked(record.region)))


@pytest.mark.parametrize("make", [answered, refused, failed, cut])
def test_nothing_that_is_booked_stands_behind_the_mark(make: type[Record]) -> None:
    record = make(notes=["a\tb"], user_agent="a\tb", parameters={"stop": Raw(b'[\t"a"\t]')})
    line = marked_line(record)
    (entry,), (whole,) = entries_of([line])[0], booked(record)
    ours, theirs = asdict(entry), asdict(whole)
    assert ours.pop("body") == line
    del ours["kind"], theirs["kind"], theirs["body"]
    assert ours == theirs
    assert msgspec.json.decode(line, type=Record) == record


def test_behind_the_mark_nothing_is_read() -> None:
    line = marked_line(answered())
    (entry,), _ = entries_of([line[: line.index(MARK) + 1] + b"?"])
    assert entry.request_id in line.decode()


@pytest.mark.parametrize("stop", [b'["a"]', b'\t["a"]', b'[\t"a"]', b'{"a":1}\t', b"1\t"])
def test_a_record_of_an_earlier_version_is_read_whole(stop: bytes) -> None:
    (entry,), refused = entries_of([EARLIER % stop])
    assert refused == []
    assert entry.usage is not None
    assert (entry.usage.input_tokens, entry.cost_usd, entry.notes) == (42, 0.5, ["noted"])
    assert entry.attempts == (EntryAttempt("m", "p", "p/u"),)
    assert entry.body == EARLIER % stop


@pytest.mark.parametrize(
    ("part", "whole"), [(Entry, Record), (EntryUsage, Usage), (EntryAttempt, Attempt)]
)
def test_the_fields_stand_in_the_order_of_the_record(
    part: type[msgspec.Struct], whole: type[msgspec.Struct]
) -> None:
    names = [name for name in part.__struct_fields__ if name not in ADDED]
    assert names == sorted(names, key=whole.__struct_fields__.index)


@pytest.mark.parametrize(
    "bad", [b"", b"{", b"[]", b'{"status":200}', b"\xff", b'{"request_id":1,"time":1,"status":2}']
)
def test_what_is_no_record_is_told_from_those_that_are(bad: bytes) -> None:
    good = msgspec.json.encode(answered(attempts=[attempt()]))
    entries, refused = entries_of([good, bad, good])
    assert [entry.body for entry in entries] == [good, good]
    assert refused == [bad]


def test_records_are_of_one_kind_that_differ_in_nothing_metrics_tell_them_by() -> None:
    alike = [answered(), answered(total_us=1), answered(attempts=[attempt(host="h")], key_id="k")]
    others = [
        answered(attempts=[]), answered(attempts=[attempt(), attempt()]),
        answered(attempts=[attempt(error="rate_limited")]), answered(model="other"),
        answered(model_served="other"), answered(provider="other"), answered(status=201),
        answered(stream=True), answered(error="stream_cut"),
    ]  # fmt: skip
    entries, _ = entries_of([msgspec.json.encode(one) for one in (*alike, *others)])
    kinds = Counter(entry.kind for entry in entries)
    assert list(kinds.values()) == [len(alike)] + [1] * len(others)
    for entry in entries:
        for name in {*Kind.__slots__} - {"model_known"}:
            assert getattr(entry.kind, name) == getattr(entry, name)


@pytest.mark.parametrize(
    ("status", "served", "known"),
    [
        (200, "n", True),
        (400, "n", True),
        (404, None, False),
        (428, None, False),
        (429, None, True),
        (499, None, False),
        (500, None, True),
        (503, None, True),
    ],
)
def test_a_model_is_known_by_who_served_it_or_by_a_status_that_only_known_ones_get(
    status: int, served: str | None, known: bool
) -> None:
    entry = Entry(request_id="x", time=0, status=status, model="m", model_served=served)
    assert Kind(entry).model_known == ("m" if known else None)
