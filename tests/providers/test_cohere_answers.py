"""Whole answers of Cohere that no recording holds, and what streams say besides text."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.http import HttpResponse
from callgate.core.response import ChatResponse
from callgate.errors import GatewayError

from .test_cohere_stream import DIALECT, TARGET, call, decoded, end, event, failure, text


def answer(message: Any, reason: str = "COMPLETE", **more: Any) -> ChatResponse:
    body = {"id": "x", "message": message, "finish_reason": reason, **more}
    return DIALECT.decode(HttpResponse(200, {}, json.dumps(body).encode()), TARGET)


def said(words: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": words}]}


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("COMPLETE", "stop"),
        ("STOP_SEQUENCE", "stop"),
        ("MAX_TOKENS", "length"),
        ("TOOL_CALL", "tool_calls"),
        ("ERROR_TOXIC", "content_filter"),
        ("ERROR_LIMIT", "length"),
        ("A_NEW_WORD", "stop"),
    ],
)
def test_every_finish_reason_has_its_word(theirs: str, ours: str) -> None:
    for choice in (
        answer(said("x"), theirs).choices[0],
        decoded(text("x"), end(theirs))[-1].choices[0],
    ):
        assert (choice["finish_reason"], choice["native_finish_reason"]) == (ours, theirs)


def test_a_failure_in_place_of_a_whole_answer_is_one() -> None:
    for more, kind in (
        ({"reason": "ERROR", "error": "too many tokens: no"}, "context_too_long"),
        ({"reason": "ERROR"}, "bad_upstream_reply"),
        ({"reason": "TIMEOUT"}, "upstream_timeout"),
    ):
        with pytest.raises(GatewayError) as caught:
            answer(said("x"), **more)
        assert caught.value.kind.type == kind
    with pytest.raises(GatewayError) as caught:
        answer("invalid api token")
    assert caught.value.kind.type == "provider_credentials"


def test_content_may_be_a_string_and_parts_of_other_types_are_kept() -> None:
    assert answer({"content": "Hi"}).choices[0]["message"]["content"] == "Hi"
    other = {"type": "image", "image": "…"}
    message = answer({"content": [other, {"type": "text", "text": "Hi"}]}).choices[0]["message"]
    assert (message["content"], message["content_parts"]) == ("Hi", [other])


def test_a_call_without_arguments_has_an_empty_object_and_its_plan_is_text() -> None:
    calls = [{"id": "a", "type": "function", "function": {"name": "f"}}]
    message = answer({"tool_calls": calls, "tool_plan": "Now f."}, "TOOL_CALL").choices[0][
        "message"
    ]
    assert message["content"] == "Now f."
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}
    assert answer({"tool_calls": calls}, "TOOL_CALL").choices[0]["message"]["content"] is None
    assert answer({}).choices[0]["message"]["content"] == ""


@pytest.mark.parametrize(
    ("usage", "counts", "extra"),
    [
        ({"tokens": {"input_tokens": 30.0, "output_tokens": 4},
          "billed_units": {"input_tokens": 9}},
         (30, 4, 34), {"billed_units": {"input_tokens": 9}}),
        ({"billed_units": {"input_tokens": 9, "output_tokens": 4}}, (9, 4, 13),
         {"billed_units": {"input_tokens": 9, "output_tokens": 4}}),
        ({"tokens": {"input_tokens": 3, "image_tokens": 2}}, (3, 0, 3), {"image_tokens": 2}),
        ({"tokens": {"output_tokens": 3}}, None, None),
        ({}, None, None),
    ],
)  # fmt: skip
def test_usage_is_what_the_model_read_and_wrote(
    usage: dict[str, Any], counts: tuple[int, int, int] | None, extra: Any
) -> None:
    told = answer(said("x"), usage=usage).usage
    if counts is None:
        assert told is None
        return
    assert told is not None
    assert (told.input_tokens, told.output_tokens, told.total_tokens) == counts
    assert told.extra == extra


def test_the_probability_of_several_tokens_is_that_of_all() -> None:
    pieces = [{"text": "Hé", "logprobs": [-0.5, -0.25]}, {"text": "!", "logprobs": [-1]}]
    expected = [
        {"token": "Hé", "logprob": -0.75, "bytes": [72, 195, 169], "top_logprobs": []},
        {"token": "!", "logprob": -1.0, "bytes": [33], "top_logprobs": []},
    ]
    assert answer(said("Hé!"), logprobs=pieces).choices[0]["logprobs"]["content"] == expected
    told = decoded(
        *(
            event("content-delta", index=0, logprobs=piece,
                  delta={"message": {"content": {"text": piece["text"]}}})
            for piece in pieces
        ),
        end(),
    )  # fmt: skip
    assert [one for c in told[:2] for one in c.choices[0]["logprobs"]["content"]] == expected


def test_each_piece_has_the_id_of_the_answer_and_the_first_the_role() -> None:
    chunks = decoded(event("message-start", id="x", delta={"message": {}}), text("Hi"), end())
    assert [chunk.id for chunk in chunks] == ["x", "x"]
    function = {"name": "f", "arguments": "{}"}
    first, *_ = decoded(call("start", 0, id="a", function=function), end("TOOL_CALL"))
    delta = first.choices[0]["delta"]
    assert (delta["role"], delta["content"]) == ("assistant", None)


def test_a_call_begins_once_and_each_piece_says_of_which_it_is() -> None:
    begun = call("start", 0, id="a", function={"name": "f", "arguments": ""})
    for pieces in ((begun, begun), (event("tool-call-delta", delta={"message": {}}),)):
        assert failure(*pieces).kind.type == "bad_upstream_reply"
