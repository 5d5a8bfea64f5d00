"""What was said, in the form of the conventions, bounded and without secrets."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.captured import Caller, Captured, Piece
from callgate.traces.content import CUT, INPUT, OUTPUT, content

SECRET = "sk-planted0123456789abcdef"


def captured(body: object, answer: bytes | object = b"", **changes: Any) -> Captured:
    data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    fields: dict[str, Any] = {
        "gateway": "0", "machine": "m", "request_id": "id", "arrived": 1.0, "method": "POST",
        "path": "/v1/chat/completions", "caller": Caller(id="k", account="a"), "headers": [],
        "body": body if isinstance(body, bytes) else json.dumps(body).encode(), "status": 200,
        "answer_headers": [("content-type", "application/json")], "pieces": [Piece(1, data)],
        "ended": True, "cut": False, "exchanges": [], "windows": [], "out": [], "models": [],
        "names": [], "absent": [], "settings": b"{}", "record": b"{}",
    }  # fmt: skip
    return Captured(**{**fields, **changes})


def told(attributes: dict[str, Any], name: str) -> Any:
    return json.loads(attributes[name])


def text(said: str) -> dict[str, str]:
    return {"type": "text", "content": said}


def test_messages_are_told_in_their_parts() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
    asked = {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is it?"},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGVsbG8="}},
                    {"type": "input_audio", "input_audio": {"data": "aGVsbG8=", "format": "wav"}},
                ],
            },
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ]
    }
    answer = {
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "A cat", "reasoning_content": "Ears."},
                "finish_reason": "stop",
            },
            {
                "index": 1,
                "message": {"role": "assistant", "content": None, "tool_calls": [call]},
                "finish_reason": "tool_calls",
            },
        ]
    }
    found = content(captured(asked, answer))
    called = {"type": "tool_call", "id": "c1", "name": "f", "arguments": '{"a": 1}'}
    assert told(found, INPUT) == [
        {"role": "system", "parts": [text("Be brief.")]},
        {
            "role": "user",
            "parts": [
                text("What is it?"),
                {"type": "uri", "modality": "image", "uri": "https://x.example/a.png"},
                {"type": "blob", "modality": "image", "mime_type": "image/png", "content": ""},
                {"type": "blob", "modality": "audio", "content": ""},
            ],
        },
        {"role": "assistant", "parts": [called]},
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "42"}]},
    ]
    assert told(found, OUTPUT) == [
        {
            "role": "assistant",
            "parts": [{"type": "reasoning", "content": "Ears."}, text("A cat")],
            "finish_reason": "stop",
        },
        {"role": "assistant", "parts": [called], "finish_reason": "tool_call"},
    ]
    assert CUT not in found


def test_a_stream_is_told_as_a_whole() -> None:
    deltas = [{"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}, {}]
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events[-1]["choices"][0]["finish_reason"] = "length"
    data = b"".join(b"data: %s\n\n" % json.dumps(one).encode() for one in [*events, {"usage": 1}])
    stream = [("Content-Type", "text/event-stream")]
    found = content(captured({"prompt": "Hi"}, data + b"data: [DONE]\n\n", answer_headers=stream))
    assert told(found, INPUT) == [{"role": "user", "parts": [text("Hi")]}]
    assert told(found, OUTPUT) == [
        {"role": "assistant", "parts": [text("Hello")], "finish_reason": "length"}
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"7", b'{"messages": 3, "prompt": []}', b'{"messages": [7, []]}',
     b"[" * 100_000, b'{"messages": [{"content": [1, {"type": {}}], "tool_calls": [{}, 1]}]}'],
)  # fmt: skip
def test_what_makes_no_sense_is_left_out(body: bytes) -> None:
    found = content(captured(body, body))
    assert OUTPUT not in found
    assert (
        all("content" not in part for one in told(found, INPUT) for part in one["parts"])
        if (INPUT in found)
        else found == {}
    )


@pytest.mark.parametrize("long", ["x" * 9000, "ü" * 9000, '"\n' * 4000, "\x01" * 3000, "😀" * 3000])
def test_the_newest_is_kept_within_the_bound(long: str) -> None:
    asked = [{"role": "user", "content": said} for said in ("first", long, "last")]
    found = content(captured({"messages": asked}), 1000)
    assert len(found[INPUT].encode()) <= 1000
    assert found[CUT] is True
    (cut,), (last,) = (one["parts"] for one in told(found, INPUT))
    assert last == text("last")
    assert cut["content"].endswith("…")
    assert long.startswith(cut["content"][:-1])
    assert len(found[INPUT].encode()) > 700


def test_what_cannot_be_cut_is_left_out_and_so_is_what_was_not_kept() -> None:
    many = [{"role": "user", "content": str(number)} for number in range(1000)]
    found = content(captured({"messages": [{"role": "x" * 900, "content": "a"}, *many]}), 500)
    kept = told(found, INPUT)
    assert kept[-1]["parts"] == [text("999")]
    assert len(found[INPUT]) <= 500
    assert content(captured({"messages": [{"role": "x" * 900, "content": "a"}]}), 500) == {
        INPUT: "[]", CUT: True,
    }  # fmt: skip
    assert content(captured({"prompt": "a"}, cut=True))[CUT] is True


def test_a_secret_that_only_escapes_had_hidden_is_blotted_out() -> None:
    hidden = SECRET.replace("s", "\\u0073", 1).encode()
    found = content(captured(b'{"prompt": "%s"}' % hidden))
    assert "planted" not in found[INPUT]
    assert "sk-" in found[INPUT]
