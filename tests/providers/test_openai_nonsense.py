"""Streams in the OpenAI dialect that hold nonsense: skipped, refused, and never more than that."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.openai.stream import StreamDecoder

from .openai_pieces import DONE, chunks_of, event, failure_of, piece
from .samples import target_of

MALFORMED = [
    b"{", b"hello", b"[]", b"7", b"null", b"{}", b'{"choices": 1}', b'{"choices": [1]}',
]  # fmt: skip


@pytest.mark.parametrize("data", MALFORMED)
def test_one_malformed_event_amid_a_sound_stream_is_skipped(data: bytes, target: Target) -> None:
    decoder = StreamDecoder(target)
    decoder.feed(piece(content="a") + event(data))
    chunks = decoder.feed(piece(content="b") + piece(finish="stop") + DONE)
    assert (decoder.skipped, decoder.done, len(chunks)) == (1, True, 2)


def test_events_without_blank_lines_between_are_as_many_as_they_are(target: Target) -> None:
    call = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}
    rest = {"index": 0, "function": {"arguments": "}"}}
    sound = [piece(content="a"), piece(tool_calls=[call]), piece(tool_calls=[rest])]
    sound += [piece(finish="tool_calls"), DONE]
    glued = b"".join(one.removesuffix(b"\n") for one in sound) + b"\n"
    assert b"\n\n" not in glued[:-2]
    assert chunks_of(target, glued) == chunks_of(target, *sound)
    decoder = StreamDecoder(target)
    decoder.feed(glued)
    assert (decoder.skipped, decoder.done) == (0, True)


def test_an_event_without_a_blank_line_before_a_broken_one_is_skipped_with_it(
    target: Target,
) -> None:
    glued = piece(content="b").removesuffix(b"\n") + event(b'{"id')
    chunks = chunks_of(target, piece(content="a"), glued, piece(finish="stop"), DONE)
    assert [chunk.choices[0]["delta"].get("content") for chunk in chunks] == ["a", None]


@pytest.mark.parametrize("broken", [5, "x"])
def test_a_skipped_event_neither_begins_nor_ends_an_answer(broken: Any, target: Target) -> None:
    ended = {"index": 0, "delta": {"content": "lost"}, "finish_reason": "stop"}
    half = event({"id": "up", "choices": [ended, broken]})
    assert failure_of(target, half).kind.type == "upstream_cut"
    assert failure_of(target, piece(content="a"), half).kind.type == "upstream_cut"
    (whole,) = chunks_of(target, half, piece(content="a", finish="stop"))
    assert whole.choices[0]["delta"] == {"role": "assistant", "content": "a"}


CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{"}}


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices": [{"index": 0, "delta": {"tool_calls": 1}}]}',
        b'{"choices": [{"index": 0, "delta": {"tool_calls": [1]}}]}',
        b'{"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "func',
    ],
)
def test_a_malformed_piece_of_a_call_is_never_passed_over(data: bytes, target: Target) -> None:
    failed = failure_of(target, piece(content="a"), event(data), piece(finish="tool_calls"), DONE)
    assert failed.kind.type == "bad_upstream_reply"


def test_nor_is_any_malformed_event_once_a_call_has_begun(target: Target) -> None:
    begun = [piece(tool_calls=[CALL])]
    assert failure_of(target, *begun, event(b"{")).kind.type == "bad_upstream_reply"
    assert failure_of(target, *begun, b'data: {"id"').kind.type == "upstream_cut"
    whole = chunks_of(target, *begun, piece(finish="tool_calls"), event(b"{"), DONE)
    assert whole[-1].choices[0]["finish_reason"] == "tool_calls"


def test_a_whole_answer_in_place_of_a_stream_is_told_at_once(target: Target) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "hi", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    body = json.dumps({"id": "x", "object": "chat.completion", "choices": [choice]}).encode()
    (told,) = chunks_of(target, body[:9], body[9:])
    assert told.choices[0]["delta"] == {**message, "tool_calls": [{"index": 0, **call}]}
    assert told.choices[0]["finish_reason"] == "tool_calls"
    assert failure_of(target, body[:-1]).kind.type == "bad_upstream_reply"


@pytest.mark.parametrize("data", MALFORMED)
def test_more_than_three_are_a_bad_reply(data: bytes, target: Target) -> None:
    stream = [piece(content="a"), *[event(data)] * 4, piece(finish="stop"), DONE]
    assert failure_of(target, *stream).kind.type == "bad_upstream_reply"


@pytest.mark.parametrize(
    ("body", "type_"),
    [
        (b"<html><body>502</body></html>", "bad_upstream_reply"),
        (b'{"error": {"message": "x", "code": 429}}', "provider_rate_limited"),
        (b'[{"error": {"message": "x", "code": 400}}]', "provider_rejected"),
        (b'  \n{"choices": []}', "bad_upstream_reply"),
        (b"{", "bad_upstream_reply"),
    ],
)
def test_a_body_in_place_of_a_stream(body: bytes, type_: str, target: Target) -> None:
    assert failure_of(target, body).kind.type == type_
    singly = [body[at : at + 1] for at in range(len(body))]
    assert failure_of(target, *singly).kind.type == type_


def test_a_body_in_place_of_a_stream_is_bounded(target: Target) -> None:
    decoder = StreamDecoder(target)
    with pytest.raises(GatewayError):
        list(map(decoder.feed, [b"<" + b"x" * 100_000] * 20))


def test_choices_without_number_are_bounded(target: Target) -> None:
    pieces = [piece(index, content="x") for index in range(200)]
    assert failure_of(target, *pieces).kind.type == "bad_upstream_reply"


@given(st.binary(max_size=300), st.integers(1, 50))
@settings(deadline=None)
def test_no_bytes_at_all_raise_anything_but_our_errors(noise: bytes, step: int) -> None:
    stream = piece(content="a") + b"data: " + noise + b"\n\n" + piece(finish="stop")
    decoder = StreamDecoder(target_of())
    with suppress(GatewayError):
        for at in range(0, len(stream), step):
            decoder.feed(stream[at : at + step])
        decoder.close()
        assert decoder.done


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(
            ["choices", "index", "delta", "content", "tool_calls", "function", "name", "arguments",
             "id", "finish_reason", "usage", "error", "message", "x_groq", "code", "metadata"]
        ),
        inner, max_size=5,
    ),
    max_leaves=15,
)  # fmt: skip


@given(JSON, JSON, JSON)
@settings(deadline=None)
def test_no_json_at_all_raises_anything_but_our_errors(first: Any, delta: Any, call: Any) -> None:
    odd = [first, {"choices": [delta]}, {"choices": [{"delta": delta}]},
           {"choices": [{"delta": {"tool_calls": [call]}}]}]  # fmt: skip
    for body in odd:
        decoder = StreamDecoder(target_of())
        try:
            chunks = [*decoder.feed(event(body)), *decoder.feed(DONE), *decoder.close()]
        except GatewayError:
            continue
        for chunk in chunks:
            assert all(type(choice["delta"]) is dict for choice in chunk.choices)
