"""Amazon's binary event stream, held against botocore's own reader."""

from __future__ import annotations

import random
import struct
import uuid
from datetime import UTC, datetime
from zlib import crc32

import pytest
from botocore.eventstream import EventStreamBuffer
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.eventstream import Message, Parser
from eventframes import event, frame, text

MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
MARK = uuid.UUID(int=2**100 + 7)
EVERY_TYPE = [
    ("yes", 0, b""),
    ("no", 1, b""),
    ("byte", 2, struct.pack(">b", -5)),
    ("short", 3, struct.pack(">h", -500)),
    ("integer", 4, struct.pack(">i", -500_000)),
    ("long", 5, struct.pack(">q", -(2**40))),
    ("bytes", 6, struct.pack(">H", 3) + b"\x00\xff\x01"),
    text("text", "Grüße"),
    ("time", 8, struct.pack(">q", int(MOMENT.timestamp() * 1000))),
    ("id", 9, MARK.bytes),
]


def read(pieces: list[bytes]) -> list[Message]:
    parser, messages = Parser(), []
    for piece in pieces:
        more, failure = parser.feed(piece)
        assert failure is None
        messages += more
    return messages


def cut(data: bytes, chance: random.Random, longest: int) -> list[bytes]:
    pieces, at = [], 0
    while at < len(data):
        step = chance.randint(1, longest)
        pieces.append(data[at : at + step])
        at += step
    return pieces


def test_every_type_of_header_is_read() -> None:
    (message,) = read([frame(EVERY_TYPE, b"payload")])
    assert dict(message.headers) == {
        "yes": True, "no": False, "byte": -5, "short": -500, "integer": -500_000, "long": -(2**40),
        "bytes": b"\x00\xff\x01", "text": "Grüße", "time": MOMENT, "id": MARK,
    }  # fmt: skip
    assert message.payload == b"payload"


@given(
    st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=300)), max_size=8),
    st.integers(0, 2**32),
    st.integers(1, 400),
)
def test_a_stream_cut_anywhere_reads_as_botocore_reads_it(
    parts: list[tuple[str, bytes]], seed: int, longest: int
) -> None:
    data = b"".join(frame([text(":event-type", name)], payload) for name, payload in parts)
    oracle = EventStreamBuffer()
    oracle.add_data(data)
    theirs = [(one.headers, one.payload) for one in oracle]
    messages = read(cut(data, random.Random(seed), longest))
    assert [(dict(one.headers), one.payload) for one in messages] == theirs


def test_what_has_not_ended_is_no_message_yet() -> None:
    whole = event("messageStop", {})
    assert len(read([whole + whole[:-1]])) == 1
    assert len(read([whole + whole[:-1], whole[-1:]])) == 2


def test_a_large_message_in_many_pieces_is_not_looked_at_again_and_again() -> None:
    data = frame([text("a", "b")], bytes(4 << 20))
    messages = read([data[at : at + 1024] for at in range(0, len(data), 1024)])
    assert len(messages[0].payload) == 4 << 20


@pytest.mark.parametrize("at", [0, 5, 9, 14, 30, -1])
def test_a_changed_bit_is_found(at: int) -> None:
    whole = event("messageStop", {"stopReason": "end_turn"})
    broken = bytearray(whole)
    broken[at] ^= 4
    messages, failure = Parser().feed(whole + bytes(broken) + whole)
    assert len(messages) == 1
    assert failure is not None
    assert failure.kind.type == "bad_upstream_reply"


@pytest.mark.parametrize(
    ("length", "of_headers"), [(0, 0), (15, 0), (16, 1), (2**31, 0), (200_000, 150_000)]
)
def test_lengths_that_cannot_be_are_refused(length: int, of_headers: int) -> None:
    prelude = struct.pack(">II", length, of_headers)
    data = prelude + struct.pack(">I", crc32(prelude)) + bytes(8)
    messages, failure = Parser().feed(data)
    assert not messages
    assert failure is not None


@pytest.mark.parametrize(
    "headers",
    [
        [("a", 10, b"")],
        [("a", 4, b"\x00")],
        [("a", 7, b"\x00\x09abc")],
        [("a", 8, struct.pack(">q", 2**62))],
    ],
)
def test_headers_that_cannot_be_are_refused(headers: list[tuple[str, int, bytes]]) -> None:
    messages, failure = Parser().feed(frame(headers, b""))
    assert not messages
    assert failure is not None


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_any_block_of_headers_and_any_bytes_are_read_or_refused(block: bytes, rest: bytes) -> None:
    prelude = struct.pack(">II", 16 + len(block), len(block))
    head = prelude + struct.pack(">I", crc32(prelude)) + block
    Parser().feed(head + struct.pack(">I", crc32(head)) + rest)
    Parser().feed(rest)
