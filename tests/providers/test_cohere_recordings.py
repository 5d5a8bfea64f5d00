"""The Cohere dialect against recorded traffic of its second chat interface."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import pytest

from callgate.core.chat import Chunk, Usage
from callgate.errors import GatewayError
from callgate.providers.cohere.dialect import Cohere

from .samples import SECRET, Record, response_of, target_of

DIALECT = Cohere()
TARGET = target_of("cohere")
FINISH = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_calls",
}
KINDS = {
    400: {"provider_rejected", "context_too_long"},
    401: {"provider_credentials"},
    404: {"provider_model_missing"},
    422: {"provider_rejected"},
}

Told = tuple[str, str, list[tuple[str, str, Any]], int, str]


@pytest.fixture
def chats(recordings: Callable[[str], list[Record]]) -> list[Record]:
    return recordings("chat.v2")


# --- what the recording says, read without any of our code -------------------------------------


def told_by(message: dict[str, Any], finish: str) -> Told:
    content = message.get("content") or []
    text = message.get("tool_plan") or ""
    text += "".join(part["text"] for part in content if part["type"] == "text")
    thoughts = "".join(part["thinking"] for part in content if part["type"] == "thinking")
    calls = [
        (one["id"], one["function"]["name"], json.loads(one["function"]["arguments"] or "{}"))
        for one in message.get("tool_calls") or ()
    ]
    return text, thoughts, calls, len(message.get("citations") or ()), FINISH[finish]


def events_of(body: str) -> list[dict[str, Any]]:
    lines = body.replace("\r\n", "\n").split("\n")
    data = [line[5:].strip() for line in lines if line.startswith("data:")]
    return [json.loads(one) for one in data if one != "[DONE]"]


def told_by_events(events: list[dict[str, Any]]) -> Told:
    message: dict[str, Any] = {"content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    finish = ""
    for one in events:
        kind, said = one["type"], one.get("delta", {}).get("message", {})
        if kind in ("content-start", "content-delta"):
            for name, text in said["content"].items():
                if name != "type":
                    message["content"].append({"type": name, name: text})
        elif kind == "tool-plan-delta":
            message["tool_plan"] += said["tool_plan"]
        elif kind == "tool-call-start":
            message["tool_calls"].append(said["tool_calls"])
        elif kind == "tool-call-delta":
            told = said["tool_calls"]["function"]["arguments"]
            message["tool_calls"][-1]["function"]["arguments"] += told
        elif kind == "citation-start":
            message["citations"].append(said["citations"])
        elif kind == "message-end":
            finish = one["delta"]["finish_reason"]
    return told_by(message, finish)


def counts_of(usage: dict[str, Any]) -> tuple[int, int, int, int]:
    tokens = usage["tokens"]
    return (
        tokens["input_tokens"], tokens["output_tokens"], usage.get("cached_tokens") or 0,
        tokens.get("reasoning_tokens") or 0,
    )  # fmt: skip


# --- what we make of it -------------------------------------------------------------------------


def counted(usage: Usage | None) -> tuple[int, int, int, int]:
    assert usage is not None
    return (
        usage.input_tokens,
        usage.output_tokens,
        (usage.input_details or {}).get("cached_tokens", 0),
        (usage.output_details or {}).get("reasoning_tokens", 0),
    )


def seen_in(message: dict[str, Any], finish: str) -> Told:
    calls = [
        (one["id"], one["function"]["name"], json.loads(one["function"]["arguments"]))
        for one in message.get("tool_calls", ())
    ]
    cited = len(message.get("annotations", ()))
    return message["content"] or "", message.get("reasoning_content", ""), calls, cited, finish


def streamed(pieces: list[bytes]) -> list[Chunk]:
    decoder = DIALECT.decoder(TARGET)
    chunks: list[Chunk] = []
    for piece in pieces:
        chunks += decoder.feed(piece)
    chunks += decoder.close()
    assert (decoder.done, decoder.skipped) == (True, 0)
    return chunks


def added_up(chunks: list[Chunk]) -> Told:
    message: dict[str, Any] = {"content": "", "reasoning_content": ""}
    message |= {"tool_calls": [], "annotations": []}
    finish = ""
    for number, chunk in enumerate(chunks):
        (choice,) = chunk.choices
        delta = choice["delta"]
        assert ("role" in delta) == (number == 0)
        message["content"] += delta.get("content") or ""
        message["reasoning_content"] += delta.get("reasoning_content") or ""
        message["annotations"] += delta.get("annotations", ())
        for one in delta.get("tool_calls", ()):
            if one["index"] == len(message["tool_calls"]):
                message["tool_calls"].append({"id": one["id"], "function": dict(one["function"])})
            else:
                told = one["function"]["arguments"]
                message["tool_calls"][one["index"]]["function"]["arguments"] += told
        finish = choice["finish_reason"] or finish
    return seen_in(message, finish)


def cut(data: bytes, seed: str) -> list[bytes]:
    chance = random.Random(seed)
    longest = chance.choice((1, 7, 50, 500, 5000))
    pieces, at = [], 0
    while at < len(data):
        step = chance.randint(1, longest)
        pieces.append(data[at : at + step])
        at += step
    return pieces


def sound(records: list[Record], *, stream: bool) -> list[Record]:
    return [
        record
        for record in records
        if record["response"]["status"] == 200
        and isinstance(record["response"]["body"], str) is stream
        and "stream_error" not in record["tags"]
    ]


def test_whole_answers_say_what_cohere_said(chats: list[Record]) -> None:
    records = sound(chats, stream=False)
    assert len(records) > 40
    for record in records:
        body = record["response"]["body"]
        answer = DIALECT.decode(response_of(record), TARGET)
        (choice,) = answer.choices
        told = told_by(body["message"], body["finish_reason"])
        assert seen_in(choice["message"], choice["finish_reason"]) == told, record["id"]
        assert choice["native_finish_reason"] == body["finish_reason"]
        assert counted(answer.usage) == counts_of(body["usage"]), record["id"]
        assert answer.id == body["id"]
        pieces = (choice["logprobs"] or {}).get("content", ())
        assert [one["token"] for one in pieces] == [one["text"] for one in body.get("logprobs", ())]


def test_streams_add_up_to_what_cohere_said(chats: list[Record]) -> None:
    records = sound(chats, stream=True)
    assert len(records) > 20
    for record in records:
        body = record["response"]["body"]
        events = events_of(body)
        chunks = streamed([body.encode()])
        assert added_up(chunks) == told_by_events(events), record["id"]
        (end,) = [one for one in events if one["type"] == "message-end"]
        assert counted(chunks[-1].usage) == counts_of(end["delta"]["usage"]), record["id"]


def test_streams_cut_anywhere_give_the_same_chunks(chats: list[Record]) -> None:
    for record in sound(chats, stream=True):
        data = record["response"]["body"].encode()
        assert streamed(cut(data, record["id"])) == streamed([data]), record["id"]


def test_a_stream_that_breaks_off_before_its_end_is_never_whole(chats: list[Record]) -> None:
    for record in sound(chats, stream=True):
        data = record["response"]["body"].encode()
        end = data.index(b"message-end")
        for at in {0, end // 3, end // 2, end}:
            decoder = DIALECT.decoder(TARGET)
            decoder.feed(data[:at])
            with pytest.raises(GatewayError) as caught:
                decoder.close()
            assert caught.value.kind.type == "upstream_cut", record["id"]


def test_a_failure_told_at_the_end_of_a_stream_is_no_finish(chats: list[Record]) -> None:
    failed = [record for record in chats if "stream_error" in record["tags"]]
    assert failed
    for record in failed:
        with pytest.raises(GatewayError) as caught:
            streamed(cut(record["response"]["body"].encode(), record["id"]))
        assert caught.value.kind.type == "bad_upstream_reply"
        told = events_of(record["response"]["body"])[-1]["delta"]["error"]
        assert told in caught.value.message


def test_errors_have_the_right_kind(chats: list[Record]) -> None:
    seen = 0
    for record in chats:
        response = record["response"]
        if response["status"] == 200:
            continue
        error = DIALECT.error(response_of(record), TARGET)
        assert error.kind.type in KINDS[response["status"]], record["id"]
        too_long = response["body"].get("error_type") == "TOO_MANY_TOKENS"
        assert (error.kind.type == "context_too_long") == too_long
        assert SECRET not in f"{error.message}{error.detail}"
        seen += 1
    assert seen > 3
