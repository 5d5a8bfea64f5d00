"""The reader, fed with sound and unsound bytes cut at any position."""

from __future__ import annotations

import gc
import weakref

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.cli.build import compiled
from callgate.upstream.reader import COMPLETE, RefusedError, ResponseReader
from upstream.hostile import chunked, ok

HEAD = b"HTTP/1.1 200 OK\r\n"
SAMPLES = [
    ok(b"hello world", b"X-A: 1", b"X-A: 2"),
    ok(b""),
    chunked(b"hello", b" world"),
    b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" + ok(b"x"),
    HEAD + b"\r\nuntil the end",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: x\r\n\r\n",
    ok(b"one") + b"surplus",
    ok(b"one") + ok(b"another"),
    b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
    HEAD + b"Transfer-Encoding: chunked\r\n\r\nxx\r\n",
    b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\nx",
]
repeatable = settings(derandomize=True, deadline=None, max_examples=200)
pieces = st.lists(st.integers(1, 40), max_size=30)
fragments = st.lists(
    st.sampled_from(
        [
            b"HTTP/1.1 ", b"HTTP/1.0 ", b"200 OK\r\n", b"100 Continue\r\n\r\n", b"204 No\r\n",
            b"\r\n", b"Content-Length: 3\r\n", b"Content-Length: 0\r\n",
            b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
            b"Connection: keep-alive\r\n", b"X: y\r\n", b"3\r\nabc\r\n",
            b"0\r\n\r\n", b"abc", b"\0", b"\xff", b"\n", b":", b" ", b"fffffffff\r\n",
        ]
    ),
    max_size=14,
)  # fmt: skip


def outcome(reader: ResponseReader, parts: list[bytes]) -> tuple[object, ...]:
    """What the reader makes of the parts and the end that follows them.

    Bytes after the end of a response are the connection's business, and not fed.
    """
    reader.expect(head_only=False)
    try:
        for part in parts:
            reader.feed(part)
            if reader.phase == COMPLETE:
                break
        whole = reader.feed_eof()
    except RefusedError:
        return "refused", reader.status, b"".join(reader.chunks)
    return whole, reader.status, reader.headers, b"".join(reader.chunks)


def fresh() -> ResponseReader:
    return ResponseReader({}, 65536)


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    for size in sizes:
        parts.append(data[:size])
        data = data[size:]
    return [part for part in [*parts, data] if part]


@repeatable
@given(st.sampled_from(SAMPLES), pieces)
def test_a_response_is_read_the_same_however_it_is_cut(data: bytes, sizes: list[int]) -> None:
    assert outcome(fresh(), cut(data, sizes)) == outcome(fresh(), [data])


def test_every_byte_by_itself_is_the_same_as_all_at_once() -> None:
    for data in SAMPLES:
        assert outcome(fresh(), cut(data, [1] * len(data))) == outcome(fresh(), [data])


@repeatable
@given(fragments, pieces)
def test_cuts_do_not_matter_to_anything_made_of_fragments(
    parts: list[bytes], sizes: list[int]
) -> None:
    data = b"".join(parts)
    one, other = outcome(fresh(), [data] if data else []), outcome(fresh(), cut(data, sizes))
    assert one == other


@repeatable
@given(st.binary(max_size=300), pieces)
def test_arbitrary_bytes_are_refused_or_incomplete(data: bytes, sizes: list[int]) -> None:
    result = outcome(fresh(), cut(b"HTTP/1.1" + data, sizes))
    assert result[0] in ("refused", False)


@repeatable
@given(st.sampled_from(SAMPLES), st.data())
def test_truncation_is_never_taken_for_the_end(data: bytes, draw: st.DataObject) -> None:
    reader = fresh()
    whole = outcome(reader, [data])
    end = draw.draw(st.integers(0, len(data) - 1))
    part = outcome(fresh(), [data[:end]] if end else [])
    if part[0] is True and b"until the end" not in data:
        assert part == whole


@repeatable
@given(st.lists(st.tuples(st.sampled_from(SAMPLES[:4]), pieces), min_size=2, max_size=4))
def test_reader_is_good_for_one_response_after_another(turns) -> None:  # type: ignore[no-untyped-def]
    reader = fresh()
    for data, sizes in turns:
        assert outcome_of_turn(reader, cut(data, sizes)) == outcome(fresh(), [data])
        reader.chunks.clear()


def outcome_of_turn(reader: ResponseReader, parts: list[bytes]) -> tuple[object, ...]:
    reader.expect(head_only=False)
    for part in parts:
        reader.feed(part)
    assert reader.keep
    return True, reader.status, reader.headers, b"".join(reader.chunks)


@pytest.mark.parametrize(
    "surplus",
    [
        ok(b"another"),
        b"HTTP/1.1 500 Oh\r\nX: y\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 500 Oh\r\nX: y\r\nContent-Length: 9\r\n\r\nbegun",
        b"HTTP/1.1 5",
        b"\0",
    ],
)
def test_surplus_after_the_end_is_dropped_and_spoils_the_connection(surplus: bytes) -> None:
    reader = fresh()
    reader.expect(head_only=False)
    reader.feed(ok(b"one") + surplus)
    assert (b"".join(reader.chunks), reader.status, "x" in reader.headers) == (b"one", 200, False)
    assert (reader.phase, reader.keep, reader.surplus) == (COMPLETE, False, True)


@pytest.mark.parametrize("sent", [ok(b"one"), chunked(b"one"), chunked()[:-5] + b"none\r\n"])
def test_body_after_the_head_of_a_head_request_is_dropped_and_spoils_the_connection(
    sent: bytes,
) -> None:
    reader = fresh()
    reader.expect(head_only=True)
    reader.feed(sent)
    assert (reader.chunks, reader.phase, reader.keep) == ([], COMPLETE, False)


def test_what_an_interim_response_says_is_not_said_of_the_answer() -> None:
    reader = ResponseReader({}, 1000)
    reader.expect(head_only=False)
    reader.feed(b"HTTP/1.1 103 Early Hints\r\nLink: a\r\nX-A: 1\r\n\r\n" + ok(b"x", b"X-A: 2"))
    assert reader.phase == COMPLETE
    assert reader.headers == {"x-a": "2", "content-length": "1"}


def test_names_are_remembered_up_to_a_bound() -> None:
    names: dict[bytes, str] = {}
    reader = ResponseReader(names, 65536)
    for turn in range(5):
        reader.expect(head_only=False)
        fields = [b"X-%d-%d: y" % (turn, i) for i in range(400)]
        reader.feed(ok(b"", *fields))
        assert len(reader.headers) == 401
        assert f"x-{turn}-399" in reader.headers
    assert len(names) == 1024


@pytest.mark.skipif(compiled(), reason="watches it through a subclass of its own")
def test_disposed_reader_is_freed_without_the_garbage_collector() -> None:
    class Watched(ResponseReader):
        pass

    reader = Watched({}, 65536)
    outcome(reader, [ok(b"x")])
    watched = weakref.ref(reader)
    gc.disable()
    try:
        reader.dispose()
        del reader
        assert watched() is None
    finally:
        gc.enable()
