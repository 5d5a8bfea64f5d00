"""Chunks gathered to a whole answer, and a whole answer given as chunks."""

from __future__ import annotations

from typing import Any

import pytest

from callgate.core.accumulator import MAX_CHARACTERS, Accumulator, as_chunks
from callgate.core.chat import Chunk, Json
from callgate.errors import GatewayError


def chunk(delta: Json, index: int = 0, **more: Any) -> Chunk:
    choice = {"index": index, "delta": delta, "finish_reason": None, **more}
    return Chunk(choices=[choice], id="c1", created=7, model="up")


def gathered(*chunks: Chunk) -> list[Json]:
    accumulator = Accumulator()
    for one in chunks:
        accumulator.take([one])
    return accumulator.answer().choices


def test_texts_are_joined_and_the_rest_is_kept() -> None:
    (choice,) = gathered(
        chunk({"role": "assistant", "content": ""}),
        chunk({"reasoning_content": "H"}),
        chunk({"reasoning_content": "m"}),
        chunk({"content": "Hel"}, logprobs={"content": [{"token": "Hel"}]}),
        chunk({"content": "lo"}, logprobs={"content": [{"token": "lo"}]}),
        chunk({}, finish_reason="stop", native_finish_reason="end_turn"),
    )
    assert choice == {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello", "reasoning_content": "Hm"},
        "logprobs": {"content": [{"token": "Hel"}, {"token": "lo"}]},
        "finish_reason": "stop",
        "native_finish_reason": "end_turn",
    }


@pytest.mark.parametrize("nothing", [None, "", 0, {}])
def test_calls_follow_what_says_that_there_are_none(nothing: object) -> None:
    call = {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    (choice,) = gathered(
        chunk({"role": "assistant", "content": None, "tool_calls": nothing}),
        chunk({"tool_calls": [call]}),
    )
    del call["index"]
    assert choice["message"]["tool_calls"] == [call]


def test_text_follows_what_is_none() -> None:
    (choice,) = gathered(chunk({"content": 5}), chunk({"content": "a"}), chunk({"content": "b"}))
    assert choice["message"]["content"] == "ab"


@pytest.mark.parametrize(
    ("name", "begun", "odd"),
    [
        ("reasoning", "a", [{"text": "b"}]),
        ("reasoning", "a", {"text": "b"}),
        ("tool_calls", [{"index": 0, "id": "a"}], {"id": "b"}),
    ],
)
def test_a_piece_of_another_type_takes_the_place_of_those_before_it(
    name: str, begun: object, odd: object
) -> None:
    (choice,) = gathered(chunk({name: begun}), chunk({name: odd}))
    assert choice["message"][name] == odd


def test_calls_of_tools_are_joined_by_index() -> None:
    def call(index: int, **more: Any) -> Json:
        return {"tool_calls": [{"index": index, **more}]}

    (choice,) = gathered(
        chunk({"role": "assistant", "content": None}),
        chunk(call(0, id="a", type="function", function={"name": "f", "arguments": ""})),
        chunk(call(1, id="b", type="function", function={"name": "g", "arguments": "{"})),
        chunk(call(0, function={"arguments": '{"x":'})),
        chunk(call(0, function={"arguments": "1}"})),
        chunk(call(1, function={"arguments": "}"})),
        chunk({}, finish_reason="tool_calls"),
    )
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}},
            {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }


def test_choices_do_not_mix() -> None:
    one, two = gathered(
        chunk({"content": "a"}, 1),
        chunk({"content": "b"}, 0),
        chunk({"content": "c"}, 1),
    )
    assert (one["message"]["content"], two["message"]["content"]) == ("b", "ac")


def test_an_answer_as_chunks_is_the_same_answer() -> None:
    given = (
        chunk({"role": "assistant", "content": "x", "refusal": None}),
        chunk({"tool_calls": [{"index": 0, "id": "a", "type": "function",
                               "function": {"name": "f", "arguments": "{}"}}]}),
        chunk({}, finish_reason="tool_calls", native_finish_reason="tool_use"),
        chunk({"content": "y"}, 1, finish_reason="stop"),
    )  # fmt: skip
    accumulator = Accumulator()
    accumulator.take(given)
    whole = accumulator.answer()
    said, end = as_chunks(whole)
    assert [one["finish_reason"] for one in said.choices] == [None, None]
    assert [one["delta"] for one in end.choices] == [{}, {}]
    assert [one["finish_reason"] for one in end.choices] == ["tool_calls", "stop"]
    assert gathered(said, end) == whole.choices
    assert (
        (said.id, said.created, said.model) == (end.id, end.created, end.model) == ("c1", 7, "up")
    )


def test_what_is_too_long_or_empty_is_refused() -> None:
    with pytest.raises(GatewayError, match="too long"):
        gathered(*[chunk({"content": "x" * (MAX_CHARACTERS // 4)})] * 5)
    with pytest.raises(GatewayError, match="no answer"):
        gathered()
