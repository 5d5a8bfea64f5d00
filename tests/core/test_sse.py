"""The parser of server-sent events."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.sse import Event, Parser, encode
from callgate.errors import GatewayError


def parsed(*pieces: bytes) -> list[Event]:
    parser = Parser()
    return [event for piece in pieces for event in parser.feed(piece)]


def by_the_standard(stream: bytes) -> list[Event]:
    """The standard's algorithm, line by line."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events: list[Event] = []
    name, data = b"", b""
    for line in text.split(b"\n")[:-1]:
        if not line:
            if data:
                events.append((name.decode("utf-8", "replace") or "message", data[:-1]))
            name, data = b"", b""
            continue
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"data":
            data += value + b"\n"
        elif field == b"event":
            name = value
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [("message", b"a")]),
        (b"data:a\n\n", [("message", b"a")]),
        (b"data:  a\n\n", [("message", b" a")]),
        (b"data: a\ndata: b\n\n", [("message", b"a\nb")]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", [("message", x) for x in (b"a", b"b", b"c")]),
        (b"event: error\ndata: x\n\n", [("error", b"x")]),
        (b"data: x\nevent: late\n\n", [("late", b"x")]),
        (b": OPENROUTER PROCESSING\n\ndata: a\n\n", [("message", b"a")]),
        (b": note\ndata: a\n\n", [("message", b"a")]),
        (b"id: 1\nretry: 5\ndata: a\n\n", [("message", b"a")]),
        (b"event: ping\n\n", []),
        (b"data\n\n", [("message", b"")]),
        (b"data:\n\n", [("message", b"")]),
        (b"\n\n\ndata: a\n\n\n\n\ndata: b\n\n", [("message", b"a"), ("message", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("message", b"a")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n", []),
        (b"data: {}\n\ndata: [DONE]\n\n", [("message", b"{}"), ("message", b"[DONE]")]),
    ],
)
def test_events_are_read_the_same_however_the_stream_is_cut(
    stream: bytes, events: list[Event]
) -> None:
    assert parsed(stream) == events
    assert parsed(*(stream[at : at + 1] for at in range(len(stream)))) == events
    assert parsed(b"data: first\n\n", stream.removeprefix(b"\xef\xbb\xbf"))[0][1] == b"first"


def test_an_empty_read_changes_nothing() -> None:
    assert parsed(b"", b"data: a", b"", b"\r", b"", b"\n\r", b"\n", b"") == [("message", b"a")]


def test_a_whole_event_after_half_of_one_belongs_to_it() -> None:
    assert parsed(b"data: a\n", b"data: b\n\n") == [("message", b"a\nb")]
    assert parsed(b"event: e\n", b"data: b\n\n") == [("e", b"b")]
    assert parsed(b"data: a\n\nda", b"ta: b\n\n") == [("message", b"a"), ("message", b"b")]


def test_a_dispatch_does_not_wait_for_the_line_feed_of_a_final_crlf() -> None:
    parser = Parser()
    assert parser.feed(b"data: a\r\n\r") == [("message", b"a")]
    assert parser.feed(b"\ndata: b\n\n") == [("message", b"b")]


def test_the_close_gives_what_lacks_its_empty_line() -> None:
    parser = Parser()
    assert parser.feed(b"data: a\n\ndata: [DONE]") == [("message", b"a")]
    assert parser.close() == [("message", b"[DONE]")]
    assert parser.close() == []


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 60, b"x" * 60, b": note\n" * 10, b"x\r" * 30])
def test_what_does_not_end_is_bounded(piece: bytes) -> None:
    parser = Parser(max_event_bytes=200)
    with pytest.raises(GatewayError) as told:
        list(map(parser.feed, [piece] * 10))
    assert told.value.kind.type == "bad_upstream_reply"


def test_a_whole_event_in_one_read_is_bounded_too() -> None:
    parser = Parser(max_event_bytes=200)
    parser.feed(b"data: a\n\n")
    with pytest.raises(GatewayError):
        parser.feed(encode(b"x" * 300))


def test_many_events_beyond_the_bound_in_one_read_are_fine() -> None:
    assert len(Parser(max_event_bytes=200).feed(encode(b"x" * 100) * 50)) == 50


def test_encoding_and_parsing_are_inverse() -> None:
    assert parsed(encode(b'{"a": 1}')) == [("message", b'{"a": 1}')]


ALPHABET = st.sampled_from(
    [b"data: ", b"data:", b"data", b"event: e", b": c", b"\n", b"\r", b"\r\n", b"\n\n", b" ", b"x",
     b"\xef\xbb\xbf", "é".encode(), b"{}", b":"]
)  # fmt: skip


@given(st.lists(ALPHABET, max_size=40), st.lists(st.integers(1, 9), max_size=60))
def test_any_cuts_of_any_stream_give_what_the_standard_says(
    parts: list[bytes], steps: list[int]
) -> None:
    stream = b"".join(parts)
    pieces, at = [], 0
    for step in steps:
        pieces.append(stream[at : at + step])
        at += step
    pieces.append(stream[at:])
    assert parsed(*pieces) == by_the_standard(stream + b"") == parsed(stream)
