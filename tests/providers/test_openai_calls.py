"""Tool calls in a stream: every fragment finds its call."""

from __future__ import annotations

from typing import Any

from callgate.core.target import Target

from .test_openai_decode import choice_of
from .test_openai_stream import DONE, chunks_of, failure_of, piece


def calls_of(target: Target, *deltas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    pieces = [piece(tool_calls=calls) for calls in deltas]
    chunks = chunks_of(target, *pieces, piece(finish="tool_calls"), DONE)
    return [
        call for chunk in chunks for choice in chunk.choices
        for call in choice["delta"].get("tool_calls", ())
    ]  # fmt: skip


def joined(calls: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    """What a client that goes by index alone puts together."""
    whole: dict[int, list[str]] = {}
    for call in calls:
        parts = whole.setdefault(call["index"], ["", "", ""])
        parts[0] += call.get("id", "")
        parts[1] += call["function"].get("name", "")
        parts[2] += call["function"].get("arguments", "")
    return [(id_, name, arguments) for id_, name, arguments in whole.values()]


def fn(name: str | None = None, arguments: Any = None, **fields: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**fields, "function": {k: v for k, v in function.items() if v is not None}}


def test_fragments_of_calls_are_joined_by_their_index(target: Target) -> None:
    calls = calls_of(
        target,
        [fn("f", "", index=0, id="c1", type="function")],
        [fn(None, '{"a"', index=0)],
        [fn("g", "", index=1, id="c2", type="function")],
        [fn(None, ":1}", index=0), fn(None, "{}", index=1)],
    )
    assert joined(calls) == [("c1", "f", '{"a":1}'), ("c2", "g", "{}")]


def test_whole_calls_without_an_index_get_one(target: Target) -> None:
    calls = calls_of(
        target, [fn("f", "{}", id="c1"), fn("g", "{}", id="c2")], [fn("h", "{}", id="c3")]
    )
    assert joined(calls) == [("c1", "f", "{}"), ("c2", "g", "{}"), ("c3", "h", "{}")]
    assert [call["index"] for call in calls] == [0, 1, 2]


def test_calls_without_index_and_with_empty_ids(target: Target) -> None:
    calls = calls_of(target, [fn("f", "{}", id="", type="function")], [fn("f", "{}", id="")])
    assert joined(calls) == [("call_up_0_0", "f", "{}"), ("call_up_0_1", "f", "{}")]


def test_different_calls_that_all_say_index_0(target: Target) -> None:
    calls = calls_of(
        target,
        [fn("f", "{", index=0, id="c1")],
        [fn(None, "}", index=0)],
        [fn("g", "{", index=0, id="c2")],
        [fn(None, "}", index=0)],
    )
    assert joined(calls) == [("c1", "f", "{}"), ("c2", "g", "{}")]


def test_fragments_that_repeat_id_and_name(target: Target) -> None:
    calls = calls_of(
        target,
        [fn("f", "{", index=0, id="c1", type="function")],
        [fn("f", "}", index=0, id="c1", type="function")],
        [fn("", " ", index=0, id="")],
    )
    assert joined(calls) == [("c1", "f", "{} ")]


def test_fragments_without_index_go_on_with_the_latest_call(target: Target) -> None:
    calls = calls_of(target, [fn("f", "{", id="c1")], [fn(None, "}")], [fn("g", "{}", id="c2")])
    assert joined(calls) == [("c1", "f", "{}"), ("c2", "g", "{}")]


def test_calls_of_one_answer_that_share_an_id_are_told_apart(target: Target) -> None:
    calls = calls_of(target, [fn("f", "{}", index=0, id="c"), fn("g", "{}", index=1, id="c")])
    assert joined(calls) == [("c", "f", "{}"), ("c_1", "g", "{}")]
    message = {"tool_calls": [fn("f", "{}", id="c"), fn("g", "{}", id="c"), fn("h", "{}", id="d")]}
    whole = choice_of(target, message, finish_reason="tool_calls")["message"]["tool_calls"]
    assert [call["id"] for call in whole] == ["c", "c_1", "d"]


def test_fragments_of_one_call_in_one_chunk_are_one(target: Target) -> None:
    calls = calls_of(target, [fn("f", '{"a"', index=0, id="c"), fn(None, ":1}", index=0)])
    assert calls == [fn("f", '{"a":1}', index=0, id="c", type="function")]
    end = piece(finish="tool_calls", tool_calls=[fn("g", index=0, id="c")])
    (told,) = chunks_of(target, end, DONE)[0].choices[0]["delta"]["tool_calls"]
    assert told["function"] == {"name": "g", "arguments": "{}"}


def test_of_the_fragments_of_one_call_in_one_chunk_nothing_is_lost(target: Target) -> None:
    empty = {"index": 0, "id": "c", "function": None}
    assert joined(calls_of(target, [empty, fn("f", "{}", index=0)])) == [("c", "f", "{}")]
    end = piece(finish="tool_calls", tool_calls=[{**empty}])
    (told,) = chunks_of(target, end, DONE)[0].choices[0]["delta"]["tool_calls"]
    assert told["function"] == {"arguments": "{}"}
    signed = {"index": 0, "extra_content": {"google": {"thought_signature": "s"}}}
    (call,) = calls_of(target, [fn("f", "{}", index=0, id="c"), signed])
    assert call["extra_content"] == signed["extra_content"]
    custom = {"index": 0, "id": "c", "type": "custom", "custom": {"name": "f", "input": "a"}}
    (call,) = calls_of(target, [custom, {"index": 0, "custom": {"input": "b"}}])
    assert call["custom"] == {"name": "f", "input": "ab"}


def test_arguments_that_are_no_text_become_it(target: Target) -> None:
    calls = calls_of(target, [fn("f", {"a": [1]}, index=0, id="c1")])
    assert joined(calls) == [("c1", "f", '{"a":[1]}')]


def test_indexes_with_a_gap_are_closed_up(target: Target) -> None:
    calls = calls_of(target, [fn("f", "{", index=1, id="c1")], [fn(None, "}", index=1)])
    assert [call["index"] for call in calls] == [0, 0]
    assert joined(calls) == [("c1", "f", "{}")]


def test_the_number_of_calls_is_bounded(target: Target) -> None:
    many = [fn("f", "{}", id=f"c{number}") for number in range(600)]
    stream = [piece(tool_calls=[one]) for one in many]
    assert failure_of(target, *stream).kind.type == "bad_upstream_reply"


def test_a_call_without_arguments_has_an_empty_object_once_the_answer_is_whole(
    target: Target,
) -> None:
    begun = [[fn("f", "", index=0, id="c1")], [fn("g", None, index=1, id="c2")], [fn(index=0)]]
    assert joined(calls_of(target, *begun)) == [("c1", "f", "{}"), ("c2", "g", "{}")]
    chunks = chunks_of(target, piece(tool_calls=begun[0]), piece(finish="length"), DONE)
    cut = [call for chunk in chunks for call in chunk.choices[0]["delta"].get("tool_calls", ())]
    assert joined(cut) == [("c1", "f", "")]


def test_an_end_that_is_said_twice_gives_the_empty_object_once(target: Target) -> None:
    call = fn("f", "", index=0, id="c1")
    chunks = chunks_of(
        target, piece(tool_calls=[call], finish="tool_calls"), piece(finish="tool_calls"), DONE
    )
    told = [call for chunk in chunks for call in chunk.choices[0]["delta"].get("tool_calls", ())]
    assert joined(told) == [("c1", "f", "{}")]


def test_what_is_null_is_left_out(target: Target) -> None:
    begun = {"name": "f", "arguments": None}
    more = {"name": None, "arguments": "{}"}
    calls = calls_of(
        target,
        [{"index": 0, "id": "c1", "type": "function", "function": begun}],
        [{"index": 0, "id": None, "type": None, "function": more}],
    )
    assert [call["function"] for call in calls] == [{"name": "f"}, {"arguments": "{}"}]
    assert joined(calls) == [("c1", "f", "{}")]
