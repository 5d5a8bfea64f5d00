"""What a response comes to, and in what two differ."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.support.outcome import Outcome, differences


def stream(*chunks: dict[str, Any], end: bytes = b"data: [DONE]\n\n") -> bytes:
    return b"".join(b"data: %b\n\n" % json.dumps(one).encode() for one in chunks) + end


def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "choices": [{"index": 0, "delta": delta, **more}]}


CALL = {"index": 0, "function": {"name": "weather", "arguments": '{"city":'}}


def test_a_stream_comes_to_the_same_as_the_answer_in_one_piece() -> None:
    streamed = stream(
        chunk({"content": "Let me "}),
        chunk({"content": "look.", "tool_calls": [CALL]}),
        chunk({"tool_calls": [{"index": 0, "function": {"arguments": '"Rome"}'}}]}),
        chunk({}, finish_reason="tool_calls"),
        {"choices": [], "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}},
    )
    called = {"function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
    message = {"content": "Let me look.", "tool_calls": [called]}
    whole = {
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
        "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7},
    }
    one, other = Outcome.of(200, streamed), Outcome.of(200, json.dumps(whole).encode())
    assert one == other
    assert one.calls == ['weather({"city":"Rome"})']


def test_a_stream_without_its_end_is_no_whole_answer() -> None:
    said = chunk({"content": "Let me"})
    told = differences(
        Outcome.of(200, stream(said)),
        Outcome.of(200, stream(said, {"error": {"type": "upstream_cut"}}, end=b"")),
    )
    assert [(one.name, one.before, one.after) for one in told] == [
        ("error", "null", "upstream_cut"),
        ("whole", "true", "false"),
    ]


@pytest.mark.parametrize(
    "body",
    [
        b"<html>", b"\xff", b"[" * 100_000, b"data: nonsense\n\ndata: [DONE]\n\n",
        stream({"choices": [{"index": [], "delta": {"tool_calls": [{**CALL, "index": {}}]}}]}),
    ],
)  # fmt: skip
def test_what_cannot_be_read_leaves_no_text(body: bytes) -> None:
    assert Outcome.of(200, body).text == ""
