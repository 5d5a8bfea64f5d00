"""Requests that have a model go on with an answer that was begun."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from callgate.core.chat import Usage
from callgate.core.prefill import Prefill, can_go_on, prefilled, takes_beginning
from callgate.core.usage import total
from callgate.core.validate import output_limit, parse_chat

TALK = [{"role": "user", "content": "Tell me."}]


def request(**more: Any) -> Any:
    body = {"model": "m", "messages": TALK, **more}
    return parse_chat(json.dumps({k: v for k, v in body.items() if v is not None}).encode())


@pytest.mark.parametrize("asked", [{}, {"messages": None, "prompt": "Tell me."}])
def test_the_beginning_becomes_the_last_turn(asked: dict[str, Any]) -> None:
    given = request(**asked, temperature=0.5)
    way = Prefill("prefix", {"go_on": True})
    made = prefilled(given, "Once", way, 0)
    sent = msgspec.json.decode(msgspec.json.encode(made.raw))
    last = {"role": "assistant", "content": "Once", "prefix": True}
    assert sent == {
        "model": "m", "messages": [*TALK, last], "temperature": 0.5, "go_on": True,
    }  # fmt: skip
    assert made.messages[-1].content == "Once"
    assert made.body.messages == made.messages
    assert made.body.prompt is None
    assert "prefix" not in str(given.raw)


def test_what_was_said_counts_against_the_limit() -> None:
    made = prefilled(request(max_completion_tokens=100), "x" * 40, Prefill(), 0)
    assert output_limit(made, 0) == 90
    assert output_limit(prefilled(request(max_tokens=3), "x" * 40, Prefill(), 0), 0) == 1


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),
        ({"n": 1, "response_format": {"type": "text"}, "logprobs": False}, True),
        ({"n": 2}, False),
        ({"logprobs": True}, False),
        ({"response_format": {"type": "json_object"}}, False),
        ({"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}, False),
    ],
)
def test_some_answers_cannot_be_continued(fields: dict[str, Any], *, may: bool) -> None:
    assert can_go_on(request(**fields)) is may


@pytest.mark.parametrize(
    ("fields", "may"),
    [
        ({}, True),
        ({"reasoning_effort": "none"}, True),
        ({"reasoning_effort": "low"}, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, False),
        ({"thinking": {"type": "disabled"}}, True),
        ({"reasoning": {"enabled": False}}, True),
        ({"reasoning": {"max_tokens": 2000}}, False),
        ({"messages": [*TALK, {"role": "assistant", "content": "O"}]}, False),
    ],
)
def test_some_requests_take_no_beginning(fields: dict[str, Any], *, may: bool) -> None:
    assert takes_beginning(request(**fields)) is may


def test_usage_is_summed() -> None:
    one = Usage(input_tokens=1, output_tokens=2, total_tokens=3, input_details={"cached_tokens": 1})
    other = Usage(
        input_tokens=10, output_tokens=20, total_tokens=30, estimated=True,
        input_details={"cached_tokens": 4, "audio_tokens": 2},
    )  # fmt: skip
    whole = total([one, other])
    assert (whole.input_tokens, whole.output_tokens, whole.total_tokens) == (11, 22, 33)
    assert whole.input_details == {"cached_tokens": 5, "audio_tokens": 2}
    assert whole.estimated
    assert one.input_details == {"cached_tokens": 1}
