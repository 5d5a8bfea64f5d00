"""The frame of a record."""

from __future__ import annotations

import json
import time

from hypothesis import given
from hypothesis import strategies as st

from callgate.store.journal.framing import frame, salvage, unframe

records = st.dictionaries(st.text(), st.text(), min_size=1).map(
    lambda one: json.dumps(one).encode()
)


@given(records)
def test_a_frame_is_one_line_and_gives_the_record_back(record: bytes) -> None:
    line = frame(record)
    assert line.count(b"\n") == 1
    assert unframe(line[:-1]) == record
    assert salvage(line[:-1]) == [record]


@given(records, records)
def test_a_frame_is_read_where_it_stands_among_others(first: bytes, second: bytes) -> None:
    data = frame(first) + frame(second)
    end = len(frame(first)) - 1
    assert unframe(data, 0, end) == first
    assert unframe(data, end + 1, len(data) - 1) == second
    assert unframe(data, end + 1) is None
    assert unframe(data, 0, len(data) - 1) is None
    assert unframe(data, 1, end) is None


def test_line_breaks_between_tokens_become_spaces() -> None:
    line = frame(b'{"a":\n{\n"b": 1}}')
    assert line.count(b"\n") == 1
    assert unframe(line[:-1]) == b'{"a": { "b": 1}}'


@given(records, st.data())
def test_a_cut_or_changed_frame_is_told(record: bytes, data: st.DataObject) -> None:
    line = frame(record)[:-1]
    at = data.draw(st.integers(0, len(line) - 1))
    flip = data.draw(st.integers(1, 255))
    assert unframe(line[:at]) is None
    assert unframe(line[:at] + bytes([line[at] ^ flip]) + line[at + 1 :]) is None


@given(records, records, st.binary(max_size=40))
def test_sound_frames_within_damage_are_saved(first: bytes, second: bytes, noise: bytes) -> None:
    line = frame(first)[:-1] + noise + frame(second)[:-1]
    assert unframe(line) is None
    assert salvage(line) == [first, second]


def test_a_frame_planted_in_a_record_is_not_taken_for_one() -> None:
    planted = frame(b'{"request_id":"x"}').decode()
    line = frame(json.dumps({"a": planted, "b": "c"}).encode())[:-1]
    assert salvage(line[:-1]) == []


def test_a_line_full_of_half_frames_takes_no_long_time() -> None:
    begun = time.process_time()
    assert salvage(b'cg1 0000ffff 00000000 {"' * 20_000) == []
    assert time.process_time() - begun < 10
