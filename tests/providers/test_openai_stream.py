"""Streams in the OpenAI dialect: their ends and their oddities."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.openai.stream import StreamDecoder

from .openai_pieces import DONE, chunks_of, event, failure_of, piece
from .samples import target_of

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
