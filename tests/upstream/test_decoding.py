"""Content codings are undone in bounded pieces, however the input is cut."""

from __future__ import annotations

import gzip
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.upstream.decoding import Inflater, inflater

repeatable = settings(derandomize=True, deadline=None, max_examples=200)


def pack(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def undo(coding: str, data: bytes, size: int, limit: int) -> tuple[bytes, bool]:
    decoder = Inflater(coding)
    output = b""
    for start in range(0, len(data), size):
        decoder.push(data[start : start + size])
        while piece := decoder.pull(limit):
            assert len(piece) <= limit
            output += piece
    assert decoder.given == len(output)
    return output, decoder.whole


def deflate(data: bytes) -> bytes:
    encoder = zlib.compressobj(wbits=-15)
    return encoder.compress(data) + encoder.flush()


CODINGS = {
    "gzip": ("gzip", pack),
    "zlib": ("deflate", zlib.compress),
    "raw": ("deflate", deflate),
}


@repeatable
@given(
    st.sampled_from(sorted(CODINGS)),
    st.one_of(st.binary(max_size=500), st.builds(lambda n: b"\0" * n, st.integers(0, 20_000))),
    st.integers(1, 50),
    st.integers(1, 400),
)
def test_what_was_encoded_is_decoded_however_it_is_cut(
    name: str, data: bytes, size: int, limit: int
) -> None:
    coding, encode = CODINGS[name]
    assert undo(coding, encode(data), size, limit) == (data, True)


@repeatable
@given(st.binary(max_size=100), st.binary(max_size=100), st.integers(1, 50))
def test_gzip_members_are_joined(one: bytes, other: bytes, size: int) -> None:
    assert undo("gzip", pack(one) + pack(other), size, 100) == (one + other, True)


@repeatable
@given(st.sampled_from(sorted(CODINGS)), st.binary(max_size=100), st.integers(1, 8))
def test_truncated_data_is_never_whole(name: str, data: bytes, missing: int) -> None:
    coding, encode = CODINGS[name]
    encoded = encode(data)
    cut = encoded[: max(1, len(encoded) - missing)]
    try:
        assert not undo(coding, cut, 100, 100)[1]
    except zlib.error:
        assert name == "raw"  # whose first bytes may be taken for another header


def test_bare_deflate_is_not_taken_for_what_has_a_header() -> None:
    """One in 31 begins with two bytes that would pass for the header's check."""
    for number in range(500):
        data = b"%d" % number
        assert undo("deflate", deflate(data), 100, 100) == (data, True)


def test_time_for_many_members_is_in_proportion() -> None:
    """Each may be empty, and the event loop waits meanwhile."""
    given = Inflater("gzip")
    given.push(pack(b"") * 20_000)
    started = time.process_time()
    assert given.pull(100) == b""
    assert given.whole
    assert time.process_time() - started < 0.5


def test_nothing_at_all_is_whole() -> None:
    assert Inflater("gzip").whole


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_nonsense_is_an_error(coding: str) -> None:
    with pytest.raises(zlib.error):
        undo(coding, b"\xff" * 50, 10, 100)


def test_data_after_the_end_of_deflate_is_an_error() -> None:
    with pytest.raises(zlib.error):
        undo("deflate", zlib.compress(b"x") + b"y", 100, 100)


@pytest.mark.parametrize("coding", ["", "identity", " Identity "])
def test_identity_needs_no_decoder(coding: str) -> None:
    assert inflater(coding) is None


@pytest.mark.parametrize("coding", ["br", "zstd", "gzip, gzip"])
def test_unknown_coding_is_refused(coding: str) -> None:
    with pytest.raises(ValueError, match=coding):
        inflater(coding)
