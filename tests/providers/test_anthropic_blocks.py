"""Content blocks of streamed answers in the Anthropic dialect: where they begin, how they end."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.anthropic.dialect import Anthropic

from .samples import target_of
from .test_anthropic_stream import (
    FINISH,
    START,
    STOP,
    TEXT,
    begin,
    delta,
    deltas,
    end,
    failure,
    streamed,
    wire,
)

THOUGHT = {"type": "thinking", "thinking": "Hm. So", "signature": "sig"}


@pytest.fixture
def target() -> Target:
    return target_of("anthropic")


def finish(reason: str, **more: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": {}}


def test_what_a_block_says_as_it_begins_is_part_of_it(target: Target) -> None:
    cited = {"type": "char_location", "cited_text": "c", "document_index": 0,
             "start_char_index": 0, "end_char_index": 1}  # fmt: skip
    chunks = streamed(target, wire(
        START,
        begin(0, "thinking", thinking="Hm.", signature="s"),
        delta(0, "thinking_delta", thinking=" So"), delta(0, "signature_delta", signature="ig"),
        end(0),
        begin(1, "text", text="One, "), delta(1, "text_delta", text="two"), end(1),
        begin(2, "text", text="three", citations=[cited]), end(2),
        begin(3, "redacted_thinking", data="d"), end(3), FINISH, STOP,
    ))  # fmt: skip
    assert deltas(chunks)[1:-1] == [
        {"reasoning_content": "Hm."},
        {"reasoning_content": " So"},
        {"reasoning_details": [THOUGHT]},
        {"content": "One, "},
        {"content": "two"},
        {"content": "three"},
        {"annotations": [{"type": "file_citation", "file_citation": {
            "cited_text": "c", "document_index": 0, "start_char_index": 0, "end_char_index": 1,
            "location": "char_location", "start_index": 8, "end_index": 13}}]},
        {"reasoning_details": [{"type": "redacted_thinking", "data": "d", "after_text": 13}]},
    ]  # fmt: skip


def test_a_call_that_was_cut_short_is_not_completed(target: Target) -> None:
    call = begin(0, "tool_use", id="t", name="f", input={})
    for reason, completed in (("max_tokens", False), ("refusal", False), ("tool_use", True)):
        chunks = streamed(target, wire(START, call, finish(reason), STOP))
        calls = [one for d in deltas(chunks) for one in d.get("tool_calls", ())]
        assert [one["function"]["arguments"] for one in calls] == ["", *(["{}"] * completed)]


def test_why_a_stream_stopped_is_kept(target: Target) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    for reason, field, value in (
        ("stop_sequence", "stop_sequence", "END"), ("refusal", "stop_details", details),
    ):  # fmt: skip
        chunks = streamed(target, wire(START, *TEXT, finish(reason, **{field: value}), STOP))
        (choice,) = chunks[-2].choices
        assert (choice["native_finish_reason"], choice[field]) == (reason, value)


def test_the_tier_and_the_container_are_told_where_they_come(target: Target) -> None:
    usage = {**START["message"]["usage"], "service_tier": "standard"}
    start = {"type": "message_start", "message": {**START["message"], "usage": usage}}
    container = {"id": "container_1", "expires_at": "2026-01-01T00:00:00Z"}
    chunks = streamed(target, wire(start, *TEXT, finish("end_turn", container=container), STOP))
    assert chunks[0].extra == {"service_tier": "default"}
    assert chunks[-2].extra == {"container": container}
    assert {(chunk.id, chunk.model) for chunk in chunks} == {("msg_1", "claude-x")}


def test_an_answer_has_as_many_blocks_and_thoughts_as_can_be_held(target: Target) -> None:
    begun = b'data: {"type":"content_block_start","index":%d,"content_block":{"type":"text"}}\n\n'
    decoder = Anthropic().decoder(target)
    decoder.feed(wire(START) + b"".join(begun % at for at in range(10_000)))
    with pytest.raises(GatewayError, match="too many content blocks"):
        decoder.feed(begun % 10_000)
    decoder = Anthropic().decoder(target)
    decoder.feed(wire(START, begin(0, "thinking", thinking="", signature="")))
    piece = wire(delta(0, "thinking_delta", thinking="x" * (1 << 20)))
    for _ in range(16):
        assert len(decoder.feed(piece)) == 1
    with pytest.raises(GatewayError, match="too much reasoning"):
        decoder.feed(piece)


def test_the_finish_reason_says_that_only_the_end_may_come(target: Target) -> None:
    decoder = Anthropic().decoder(target)
    decoder.feed(wire(START, *TEXT))
    assert not decoder.finished
    decoder.feed(wire(FINISH))
    assert (decoder.finished, decoder.done) == (True, False)
    decoder.feed(wire(STOP))
    assert decoder.done


def test_no_run_of_text_outlasts_its_block(target: Target) -> None:
    decoder = Anthropic().decoder(target)
    decoder.feed(wire(START, begin(0, "text", text="")))
    piece = wire(delta(0, "text_delta", text="hi")).replace(b"   \n\n", b"\n\n")
    decoder.feed(piece)
    assert decoder.run is not None
    assert decoder.run.takes(piece)
    decoder.feed(wire(begin(1, "text", text="")))
    assert decoder.run is not None
    decoder.feed(wire(end(0)))
    assert decoder.run is None
    assert (list(decoder.feed(piece)), decoder.skipped) == ([], 1)


def test_an_event_that_is_a_failure_by_either_of_its_names_is_one(target: Target) -> None:
    told = {"type": "overloaded_error", "message": "Overloaded"}
    for event in ({"type": "error", "error": told}, {"error": told}, {"type": "error"}):
        error = failure(target, START, *TEXT, event)
        expected = "provider_unavailable" if "error" in event else "bad_upstream_reply"
        assert error.kind.type == expected
