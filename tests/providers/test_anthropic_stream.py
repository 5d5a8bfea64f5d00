"""Streamed answers in the Anthropic dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.core.chat import Chunk
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.anthropic.dialect import Anthropic

from .samples import target_of

Event = dict[str, Any]

START: Event = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-x", "content": [],
                "usage": {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 5}},
}  # fmt: skip
FINISH: Event = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    "usage": {"output_tokens": 9},
}
STOP: Event = {"type": "message_stop"}
PING: Event = {"type": "ping"}


@pytest.fixture
def target() -> Target:
    return target_of("anthropic")


def begin(index: int, kind: str, **fields: Any) -> Event:
    block = {"type": kind, **fields}
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: int, kind: str, **fields: Any) -> Event:
    return {"type": "content_block_delta", "index": index, "delta": {"type": kind, **fields}}


def end(index: int) -> Event:
    return {"type": "content_block_stop", "index": index}


TEXT = [begin(0, "text", text=""), delta(0, "text_delta", text="hi"), end(0)]


def wire(*events: Event | str) -> bytes:
    lines = []
    for event in events:
        data = event if isinstance(event, str) else json.dumps(event)
        name = "x" if isinstance(event, str) else event.get("type", "x")
        lines.append(f"event: {name}\ndata: {data}   \n\n")
    return "".join(lines).encode()


def streamed(target: Target, body: bytes) -> list[Chunk]:
    decoder = Anthropic().decoder(target)
    chunks = [*decoder.feed(body), *decoder.close()]
    assert decoder.done
    return chunks


def deltas(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks for choice in chunk.choices]


def failure(target: Target, *events: Event | str) -> GatewayError:
    with pytest.raises(GatewayError) as error:
        streamed(target, wire(*events))
    return error.value


def test_a_plain_stream_becomes_role_text_and_finish(target: Target) -> None:
    chunks = streamed(target, wire(START, PING, *TEXT, PING, FINISH, STOP))
    assert deltas(chunks) == [{"role": "assistant", "content": ""}, {"content": "hi"}, {}]
    assert [choice["finish_reason"] for chunk in chunks for choice in chunk.choices] == [
        None, None, "stop",
    ]  # fmt: skip
    assert chunks[-2].choices[0]["native_finish_reason"] == "end_turn"
    last = chunks[-1]
    assert last.choices == []
    assert last.usage is not None
    assert (last.usage.input_tokens, last.usage.output_tokens) == (15, 9)


@pytest.mark.parametrize(
    ("last", "input_tokens", "output_tokens"),
    [
        ({"output_tokens": 0}, 15, 0),  # refused before a word was said
        ({"input_tokens": 4, "output_tokens": 9}, 9, 9),  # 5 of the cache stand beside it
        ({"input_tokens": 0, "output_tokens": 9}, 15, 9),
        ({"input_tokens": None, "output_tokens": 9}, 15, 9),
    ],
)
def test_the_last_report_of_usage_holds(
    last: dict[str, Any], input_tokens: int, output_tokens: int, target: Target
) -> None:
    usage = streamed(target, wire(START, *TEXT, {**FINISH, "usage": last}, STOP))[-1].usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens) == (input_tokens, output_tokens)


def test_content_that_is_whole_from_the_start_is_told(target: Target) -> None:
    result = {"type": "code_execution_tool_result", "tool_use_id": "s", "content": {}}
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {"x": 1}}
    given = [result, {"type": "text", "text": "now"}, call]
    message = {**START["message"], "content": given, "stop_reason": "tool_use"}
    chunks = streamed(target, wire({"type": "message_start", "message": message}, STOP))
    begun = {"index": 0, "id": "t", "type": "function", "function": {"name": "f", "arguments": ""}}
    assert deltas(chunks) == [
        {"role": "assistant", "content": ""}, {}, {"content": "now"},
        {"tool_calls": [begun]},
        {"tool_calls": [{"index": 0, "function": {"arguments": '{"x":1}'}}]},
        {},
    ]  # fmt: skip
    assert chunks[1].extra["content_blocks"] == [result]
    assert chunks[-2].choices[0]["finish_reason"] == "tool_calls"


def test_parallel_calls_are_counted_apart_from_other_blocks(target: Target) -> None:
    chunks = streamed(target, wire(
        START, *TEXT,
        begin(1, "tool_use", id="a", name="f", input={}),
        delta(1, "input_json_delta", partial_json=""),
        delta(1, "input_json_delta", partial_json='{"x":'),
        delta(1, "input_json_delta", partial_json="1}"),
        end(1),
        begin(3, "tool_use", id="b", name="g", input={}), end(3),
        begin(4, "tool_use", id="c", name="h", input={"whole": True}), end(4),
        FINISH, STOP,
    ))  # fmt: skip
    calls = [one for d in deltas(chunks) for one in d.get("tool_calls", ())]
    assert [(one["index"], one.get("id"), one["function"]) for one in calls] == [
        (0, "a", {"name": "f", "arguments": ""}),
        (0, None, {"arguments": '{"x":'}),
        (0, None, {"arguments": "1}"}),
        (1, "b", {"name": "g", "arguments": ""}),
        (1, None, {"arguments": "{}"}),
        (2, "c", {"name": "h", "arguments": ""}),
        (2, None, {"arguments": '{"whole":true}'}),
    ]


def test_blocks_whose_end_is_left_out_end_with_the_answer(target: Target) -> None:
    chunks = streamed(target, wire(
        START, begin(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="Hm."), delta(0, "signature_delta", signature="s"),
        begin(1, "tool_use", id="a", name="f", input={}), FINISH, STOP,
    ))  # fmt: skip
    told = deltas(chunks)
    assert {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]} in told
    detail = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
    assert [one["reasoning_details"] for one in told if "reasoning_details" in one] == [[detail]]
    cut = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}
    chunks = streamed(target, wire(
        START, begin(0, "tool_use", id="a", name="f", input={}), cut, STOP,
    ))  # fmt: skip
    assert '"{}"' not in str(deltas(chunks))


def test_blocks_may_overlap(target: Target) -> None:
    chunks = streamed(target, wire(
        START, begin(0, "tool_use", id="a", name="f", input={}),
        begin(1, "tool_use", id="b", name="g", input={}),
        delta(1, "input_json_delta", partial_json='{"b":1}'),
        delta(0, "input_json_delta", partial_json='{"a":1}'), end(0), end(1), FINISH, STOP,
    ))  # fmt: skip
    pieces = [one for d in deltas(chunks) for one in d.get("tool_calls", ()) if "id" not in one]
    assert [(one["index"], one["function"]["arguments"]) for one in pieces] == [
        (1, '{"b":1}'), (0, '{"a":1}'),
    ]  # fmt: skip


def test_thoughts_go_out_as_they_come_and_once_more_whole(target: Target) -> None:
    chunks = streamed(target, wire(
        START, begin(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="a"), delta(0, "thinking_delta", thinking="b"),
        delta(0, "signature_delta", signature="si"), delta(0, "signature_delta", signature="g"),
        end(0), begin(1, "redacted_thinking", data="d"), end(1), FINISH, STOP,
    ))  # fmt: skip
    assert deltas(chunks)[1:-1] == [
        {"reasoning_content": "a"},
        {"reasoning_content": "b"},
        {"reasoning_details": [{"type": "thinking", "thinking": "ab", "signature": "sig"}]},
        {"reasoning_details": [{"type": "redacted_thinking", "data": "d"}]},
    ]


def test_a_servers_tools_are_kept_beside_the_answer(target: Target) -> None:
    chunks = streamed(target, wire(
        START, begin(0, "server_tool_use", id="s", name="web_search", input={}),
        delta(0, "input_json_delta", partial_json='{"query":'),
        delta(0, "input_json_delta", partial_json='"x"}'), end(0),
        begin(1, "web_search_tool_result", tool_use_id="s", content=[]), end(1), FINISH, STOP,
    ))  # fmt: skip
    kept = [block for chunk in chunks for block in chunk.extra.get("content_blocks", ())]
    assert [(block["type"], block.get("input")) for block in kept] == [
        ("server_tool_use", {"query": "x"}), ("web_search_tool_result", None),
    ]  # fmt: skip
    assert all("content_blocks" not in one for one in deltas(chunks))


def test_unknown_events_blocks_and_deltas_are_passed_over(target: Target) -> None:
    decoder = Anthropic().decoder(target)
    chunks = decoder.feed(wire(
        {"type": "vibe_check"}, START, begin(0, "hologram", n=3), delta(0, "hologram_delta", x=1),
        end(0), *TEXT, "[DONE]", FINISH, STOP,
    ))  # fmt: skip
    assert (decoder.done, decoder.skipped) == (True, 0)
    assert {"content": "hi"} in deltas(list(chunks))


def test_later_counts_replace_earlier_ones(target: Target) -> None:
    usage = {"input_tokens": 12, "cache_read_input_tokens": 7, "output_tokens": 30,
             "output_tokens_details": {"thinking_tokens": 20}}  # fmt: skip
    chunks = streamed(target, wire(START, *TEXT, {**FINISH, "usage": usage}, STOP))
    told = chunks[-1].usage
    assert told is not None
    assert (told.input_tokens, told.output_tokens, told.total_tokens) == (19, 30, 49)
    assert told.output_details == {"reasoning_tokens": 20}


@pytest.mark.parametrize(
    "events",
    [
        [START],
        [START, *TEXT],
        [START, *TEXT, STOP],
        [START, *TEXT, {**FINISH, "delta": {"stop_reason": None}}, STOP],
    ],
)
def test_a_stream_without_its_proper_end_is_cut(target: Target, events: list[Event]) -> None:
    assert failure(target, *events).kind.type == "upstream_cut"


def test_an_answer_with_its_stop_reason_is_whole_without_the_mark_of_its_end(
    target: Target,
) -> None:
    decoder = Anthropic().decoder(target)
    chunks = list(decoder.feed(wire(START, *TEXT, FINISH)))
    assert decoder.finished
    assert not decoder.done
    chunks += decoder.close()
    assert decoder.done
    assert chunks == streamed(target, wire(START, *TEXT, FINISH, STOP))


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        ("overloaded_error", "provider_unavailable"),
        ("api_error", "provider_unavailable"),
        ("rate_limit_error", "provider_rate_limited"),
        ("invalid_request_error", "provider_rejected"),
        ("timeout_error", "upstream_timeout"),
        ("strange_error", "bad_upstream_reply"),
    ],
)
def test_an_error_event_is_told_by_its_type(target: Target, kind: str, ours: str) -> None:
    told = {"type": "error", "error": {"type": kind, "message": "words"}}
    decoder = Anthropic().decoder(target)
    chunks = decoder.feed(wire(START, *TEXT, told))
    assert len(chunks) == 2, "what came before it is not lost"
    with pytest.raises(GatewayError) as error:
        decoder.feed(b"")
    assert error.value.kind.type == ours
    assert not decoder.done


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>502 Bad Gateway</body></html>",
        b'{"type": "message", "content": []}',
        b'{"type": "mess',
        b"hello\n\nworld\n\n",
        b": only a comment\n\n",
        wire("{", "[]", "3", '"x"'),
        wire(*["nonsense"] * 10),
    ],
)
def test_what_is_no_stream_is_a_bad_reply(target: Target, body: bytes) -> None:
    with pytest.raises(GatewayError) as error:
        streamed(target, body)
    assert error.value.kind.type == "bad_upstream_reply"


def test_an_error_in_place_of_a_stream_is_an_error(target: Target) -> None:
    decoder = Anthropic().decoder(target)
    decoder.feed(b'{"type":"error","error":{"type":"overl')
    decoder.feed(b'oaded_error","message":"Overloaded"}}')
    with pytest.raises(GatewayError) as error:
        decoder.close()
    assert error.value.kind.type == "provider_unavailable"


def test_a_few_malformed_events_are_skipped_and_counted(target: Target) -> None:
    decoder = Anthropic().decoder(target)
    decoder.feed(wire(START, "{oops", delta(7, "text_delta", text="?"), *TEXT, FINISH, STOP))
    assert (decoder.done, decoder.skipped) == (True, 2)


def test_a_malformed_piece_of_a_call_is_never_passed_over(target: Target) -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    begun = {"type": "content_block_start", "index": 0, "content_block": call}
    for pieces in ((START, begun, "{oops"), (START, *TEXT, '{"delta":{"type":"input_json_delta"')):
        decoder = Anthropic().decoder(target)
        with pytest.raises(GatewayError, match="malformed piece"):
            list(decoder.feed(wire(*pieces))) + list(decoder.feed(b""))


def test_nothing_is_expected_after_the_end(target: Target) -> None:
    decoder = Anthropic().decoder(target)
    decoder.feed(wire(START, *TEXT, FINISH, STOP, "nonsense"))
    assert decoder.done
    assert decoder.feed(b"anything") == ()
    assert decoder.close() == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-1, 2) | st.text(max_size=3)
    | st.sampled_from(["text", "tool_use", "thinking", "text_delta", "citations_delta",
                       "input_json_delta", "signature_delta", "end_turn"]),
    lambda inner: st.lists(inner, max_size=2)
    | st.dictionaries(
        st.sampled_from(["type", "text", "id", "name", "input", "citations", "citation", "usage",
                         "thinking", "signature", "data", "partial_json", "stop_reason"]), inner,
        max_size=4,
    ),
    max_leaves=8,
)  # fmt: skip
EVENTS = st.fixed_dictionaries(
    {"type": st.sampled_from(
        ["message_start", "content_block_start", "content_block_delta", "content_block_stop",
         "message_delta", "message_stop", "ping"])},
    optional={"index": JSON, "message": JSON, "content_block": JSON, "delta": JSON, "usage": JSON},
)  # fmt: skip


@settings(max_examples=250, deadline=None)
@given(st.lists(EVENTS | st.sampled_from([START, *TEXT, FINISH, STOP]), max_size=12))
def test_no_shape_of_event_breaks_the_decoder(events: list[Event]) -> None:
    decoder = Anthropic().decoder(target_of("anthropic"))
    try:
        decoder.feed(wire(*events))
        decoder.close()
    except GatewayError:
        return
    assert decoder.done
