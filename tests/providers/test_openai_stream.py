"""Streams in the OpenAI dialect: their ends, their oddities, and nonsense."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.core.chat import Chunk
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.openai.stream import StreamDecoder

from .samples import target_of

DONE = b"data: [DONE]\n\n"


def event(body: Any) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return b"data: " + data + b"\n\n"


def piece(index: int = 0, finish: str | None = None, **delta: Any) -> bytes:
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return event({"id": "up", "created": 5, "model": "m", "choices": [choice]})


def chunks_of(target: Target, *pieces: bytes) -> list[Chunk]:
    decoder = StreamDecoder(target)
    chunks = [chunk for data in pieces for chunk in decoder.feed(data)]
    return [*chunks, *decoder.close()]


def failure_of(target: Target, *pieces: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as told:
        chunks_of(target, *pieces)
    return told.value


# --- the end ------------------------------------------------------------------------------------


def test_a_stream_is_done_with_its_terminator(target: Target) -> None:
    decoder = StreamDecoder(target)
    decoder.feed(piece(content="hi"))
    decoder.feed(piece(finish="stop"))
    assert not decoder.done
    assert decoder.feed(DONE) == []
    assert decoder.done
    assert list(decoder.feed(piece(content="more"))) == []
    assert list(decoder.close()) == []


@pytest.mark.parametrize(
    "end", [b"data: [DONE]", b"data: [DONE]\n", b"data:[DONE]\r\n", b"data: [DONE] "]
)
def test_a_terminator_without_its_empty_line_counts(end: bytes, target: Target) -> None:
    decoder = StreamDecoder(target)
    decoder.feed(piece(content="hi", finish="stop") + end)
    decoder.close()
    assert decoder.done


def test_a_finished_answer_without_a_terminator_is_whole(target: Target) -> None:
    chunks = chunks_of(target, piece(0, content="a"), piece(0, "stop"))
    assert chunks[-1].choices[0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        [b""],
        [b": keep-alive\n\n"],
        [piece(content="hi")],
        [piece(content="hi"), b'data: {"id": "up", "choi'],
        [piece(content="hi"), piece(finish="stop")[:-40]],
        [piece(0, content="a"), piece(1, content="b"), piece(0, "stop")],
        [event({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})],
    ],
)
def test_any_other_end_is_a_cut(pieces: list[bytes], target: Target) -> None:
    assert failure_of(target, *pieces).kind.type == "upstream_cut"


LENIENT = target_of("openai-compatible")


def test_the_mark_of_the_end_alone_does_for_text_where_a_server_may_give_no_reason() -> None:
    chunks = chunks_of(LENIENT, piece(content="a"), piece(1, content="b"), DONE)
    assert [choice["finish_reason"] for one in chunks for choice in one.choices] == [None, None]
    ended = StreamDecoder(LENIENT)
    ended.feed(piece(content="a") + DONE)
    assert (ended.done, ended.finished) == (True, False)


def test_so_it_does_for_everyone_who_counts_what_was_written(target: Target) -> None:
    used = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    counted = event({"choices": [], "usage": used})
    assert len(chunks_of(target, piece(audio={"data": "aGk="}), counted, DONE)) == 2
    nothing = event({"choices": [], "usage": {**used, "completion_tokens": 0}})
    assert failure_of(target, piece(content=""), nothing, DONE).kind.type == "upstream_cut"


CALLS = {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("target", "pieces"),
    [
        *((target_of(name), [piece(content="a")]) for name in ("openai", "groq", "azure")),
        (LENIENT, [piece(0, content="a", finish="stop"), piece(1, content="b")]),
        (LENIENT, [piece(**CALLS)]),
        (LENIENT, [piece(content="a"), piece(**CALLS)]),
    ],
)
def test_else_it_is_the_end_of_a_stream_that_was_cut(target: Target, pieces: list[bytes]) -> None:
    for sent in ([*pieces, DONE], [b"".join(pieces) + DONE], [*pieces, DONE.strip()]):
        assert failure_of(target, *sent).kind.type == "upstream_cut"


def test_a_last_event_without_its_empty_line_is_taken(target: Target) -> None:
    chunks = chunks_of(target, piece(content="hi") + piece(finish="stop").rstrip())
    assert chunks[-1].choices[0]["finish_reason"] == "stop"


def test_a_whole_message_in_place_of_deltas_is_told(target: Target) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    message = {"role": "assistant", "content": "hi", "tool_calls": [call]}
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
    (told,) = chunks_of(target, event({"id": "up", "choices": [choice]}), DONE)[0].choices
    assert told["delta"] == {**message, "tool_calls": [{"index": 0, **call}]}
    assert "message" not in told


def test_a_terminator_alone_is_no_answer(target: Target) -> None:
    assert failure_of(target, DONE).kind.type == "bad_upstream_reply"


@pytest.mark.parametrize("role", ["assistant", "", None])
def test_who_speaks_is_told_once_for_each_choice(role: str | None, target: Target) -> None:
    pieces = [piece(at, role=role, content="a") for at in (0, 1, 0, 1)]
    ends = [piece(at, "stop", role=role) for at in (0, 1)]
    choices = [c for chunk in chunks_of(target, *pieces, *ends) for c in chunk.choices]
    roles = [choice["delta"].get("role") for choice in choices]
    assert roles == ["assistant", "assistant", None, None, None, None]
    assert ["role" in choice["delta"] for choice in choices] == [True] * 2 + [False] * 4


# --- errors in the stream -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "type_"),
    [
        (event({"error": {"message": "x", "code": 502}}), "provider_unavailable"),
        (event({"error": {"message": "x", "code": 429}}), "provider_rate_limited"),
        (event({"error": {"message": "x", "type": "server_error"}}), "provider_unavailable"),
        (event({"error": {"message": "x", "type": "invalid_request_error"}}), "provider_rejected"),
        (event({"error": "x"}), "bad_upstream_reply"),
        (b"event: error\n" + event({"message": "x"}), "bad_upstream_reply"),
        (b"event: error\n" + event({"error": {"status_code": 400}}), "provider_rejected"),
        (event({"object": "error", "message": "x", "code": 400}), "provider_rejected"),
        (
            event({"choices": [{"index": 0, "delta": {}, "error": {"code": 502}}]}),
            "provider_unavailable",
        ),
        (piece(finish="error"), "upstream_cut"),
        (piece(finish="insufficient_system_resource"), "provider_unavailable"),
    ],
)  # fmt: skip
def test_an_error_event_is_an_error_whatever_follows(
    bad: bytes, type_: str, target: Target
) -> None:
    assert failure_of(target, piece(content="hi"), bad, DONE).kind.type == type_
    assert failure_of(target, bad).kind.type == type_
    assert failure_of(target, piece(content="hi") + bad + DONE).kind.type == type_


def test_chunks_before_an_error_in_the_same_read_are_not_lost(target: Target) -> None:
    decoder = StreamDecoder(target)
    chunks = decoder.feed(piece(content="a") + event({"error": {"code": 502}}) + DONE)
    assert [chunk.choices[0]["delta"]["content"] for chunk in chunks] == ["a"]
    assert not decoder.done
    with pytest.raises(GatewayError):
        decoder.feed(b"")
    with pytest.raises(GatewayError):
        decoder.close()


# --- nonsense -----------------------------------------------------------------------------------

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


# --- oddities of vendors ------------------------------------------------------------------------


def test_azures_opening_chunk_is_passed_over_and_its_results_kept(target: Target) -> None:
    opening = event({"id": "", "model": "", "choices": [], "prompt_filter_results": [1]})
    chunks = chunks_of(target, opening, piece(content="a"), piece(finish="stop"), DONE)
    assert [chunk.extra for chunk in chunks] == [{"prompt_filter_results": [1]}, {}]


def test_a_choice_without_a_delta_gets_an_empty_one(target: Target) -> None:
    odd = event({"choices": [{"finish_reason": None, "content_filter_results": {}}]})
    (first, *_) = chunks_of(target, odd, piece(finish="stop"), DONE)
    assert first.choices == [
        {
            "finish_reason": None,
            "content_filter_results": {},
            "index": 0,
            "delta": {"role": "assistant"},
        }
    ]


def test_padding_events_of_audio_models_say_nothing(target: Target) -> None:
    padding = event({"id": "up", "object": "chat.completion.chunk", "obfuscation": "x"})
    decoder = StreamDecoder(target)
    decoder.feed(piece(content="a"))
    assert (list(decoder.feed(padding)), decoder.skipped) == ([], 0)


def test_the_first_piece_of_each_choice_names_the_role(target: Target) -> None:
    chunks = chunks_of(
        target, piece(0, content="a"), piece(1, content="b"), piece(0, content="c"),
        piece(0, "stop"), piece(1, "stop"), DONE,
    )  # fmt: skip
    roles = [chunk.choices[0]["delta"].get("role") for chunk in chunks]
    assert roles == ["assistant", "assistant", None, None, None]


def test_lists_of_parts_become_text_and_reasoning(target: Target) -> None:
    thought = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]
    chunks = chunks_of(
        target, piece(content=thought), piece(content=[]), piece(finish="stop"), DONE
    )
    assert chunks[0].choices[0]["delta"] == {
        "content": "",
        "role": "assistant",
        "reasoning_content": "hm",
    }
    assert chunks[1].choices[0]["delta"] == {"content": ""}


@pytest.mark.parametrize(
    "place",
    [
        {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        {"usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        {
            "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2},
        },
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}},
    ],
)
def test_usage_is_found_wherever_it_comes(place: dict[str, Any], target: Target) -> None:
    chunks = chunks_of(target, piece(content="a"), piece(finish="stop"), event(place), DONE)
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.input_tokens, chunks[-1].usage.output_tokens) == (1, 2)
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_finish_reasons_are_mapped_and_empty_ones_are_none(target: Target) -> None:
    chunks = chunks_of(target, piece(finish="", content="a"), piece(finish="tool_call"), DONE)
    assert chunks[0].choices[0]["finish_reason"] is None
    assert chunks[1].choices[0]["finish_reason"] == "tool_calls"
    assert chunks[1].choices[0]["native_finish_reason"] == "tool_call"


def test_what_a_vendor_adds_is_kept(target: Target) -> None:
    body = {
        "id": "x", "created": 3, "model": "m", "object": "o", "service_tier": "default",
        "choices": [{"index": 0, "delta": {"content": "a", "reasoning": "r"}, "logprobs": {}}],
    }  # fmt: skip
    (chunk, *_) = chunks_of(target, event(body), piece(finish="stop"), DONE)
    assert (chunk.id, chunk.created, chunk.model) == ("x", 3, "m")
    assert chunk.extra == {"service_tier": "default"}
    assert chunk.choices[0]["delta"]["reasoning"] == "r"
    assert chunk.choices[0]["logprobs"] == {}
