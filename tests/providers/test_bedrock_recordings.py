"""The Bedrock dialect against recorded traffic."""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from botocore.eventstream import EventStreamBuffer
from openai.types.chat import ChatCompletion

from callgate.core.chat import Chunk, Usage
from callgate.core.http import HttpResponse
from callgate.core.present import response_json
from callgate.errors import GatewayError
from callgate.providers.bedrock.dialect import Bedrock

from .samples import SECRET, Record, response_of, target_of

DIALECT = Bedrock()
TARGET = target_of("bedrock")
FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
}
KINDS = {
    "UnrecognizedClientException": "provider_credentials",
    "InvalidSignatureException": "provider_credentials",
    "ExpiredTokenException": "provider_credentials",
    "AccessDeniedException": "provider_refused",
    "ResourceNotFoundException": "provider_model_missing",
    "ServiceUnavailableException": "provider_unavailable",
    "ThrottlingException": "provider_rate_limited",
}

Told = tuple[str, str, list[tuple[str, str, Any]], str]


@pytest.fixture
def wholes(recordings: Callable[[str], list[Record]]) -> list[Record]:
    return recordings("converse")


@pytest.fixture
def streams(recordings: Callable[[str], list[Record]]) -> list[Record]:
    return recordings("converse-stream")


# --- what the recording says, read without any of our code -------------------------------------


def told_by(content: list[dict[str, Any]], stop: str) -> Told:
    text = thoughts = ""
    calls = []
    for block in content:
        text += block.get("text", "")
        for part in block.get("citationsContent", {}).get("content", ()):
            text += part["text"]
        thoughts += block.get("reasoningContent", {}).get("reasoningText", {}).get("text", "")
        call = block.get("toolUse")
        if call and call.get("type") != "server_tool_use":
            calls.append((call["toolUseId"], call["name"], call["input"]))
    return text, thoughts, calls, FINISH[stop]


def frames_of(data: bytes) -> list[tuple[str, dict[str, Any]]]:
    buffer = EventStreamBuffer()
    buffer.add_data(data)
    return [
        (one.headers.get(":event-type") or one.headers[":exception-type"], json.loads(one.payload))
        for one in buffer
    ]


def told_by_frames(frames: list[tuple[str, dict[str, Any]]]) -> Told:
    blocks: dict[int, dict[str, Any]] = {}
    stop = ""
    for name, body in frames:
        block = blocks.setdefault(body.get("contentBlockIndex", -1), {})
        if name == "contentBlockStart" and "toolUse" in body["start"]:
            block["toolUse"] = {**body["start"]["toolUse"], "input": ""}
        elif name == "contentBlockDelta":
            delta = body["delta"]
            block["text"] = block.get("text", "") + delta.get("text", "")
            if "toolUse" in delta:
                block["toolUse"]["input"] += delta["toolUse"]["input"]
            said = delta.get("reasoningContent", {}).get("text")
            if said:
                thought = block.setdefault("reasoningContent", {"reasoningText": {"text": ""}})
                thought["reasoningText"]["text"] += said
        elif name == "messageStop":
            stop = body["stopReason"]
    for block in blocks.values():
        if "toolUse" in block:
            block["toolUse"]["input"] = json.loads(block["toolUse"]["input"] or "{}")
    return told_by([blocks[at] for at in sorted(blocks)], stop)


def counted(usage: Usage | None) -> tuple[int, int, int, int, int]:
    assert usage is not None
    details = usage.input_details or {}
    return (
        usage.input_tokens, usage.output_tokens, usage.total_tokens,
        details.get("cached_tokens", 0), details.get("cache_write_tokens", 0),
    )  # fmt: skip


def counts_of(usage: dict[str, Any]) -> tuple[int, int, int, int, int]:
    cached, stored = usage.get("cacheReadInputTokens", 0), usage.get("cacheWriteInputTokens", 0)
    read = usage["inputTokens"] + cached + stored
    return read, usage["outputTokens"], usage["totalTokens"], cached, stored


# --- what we make of it -------------------------------------------------------------------------


def seen_in(message: dict[str, Any], finish: str) -> Told:
    calls = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls", ())
    ]
    return message["content"] or "", message.get("reasoning_content", ""), calls, finish


def streamed(data: list[bytes]) -> list[Chunk]:
    decoder = DIALECT.decoder(TARGET)
    chunks: list[Chunk] = []
    for piece in data:
        chunks += decoder.feed(piece)
    chunks += decoder.close()
    assert (decoder.done, decoder.skipped) == (True, 0)
    return chunks


def added_up(chunks: list[Chunk]) -> Told:
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "tool_calls": []}
    finish = ""
    for number, chunk in enumerate(chunks):
        (choice,) = chunk.choices
        delta = choice["delta"]
        assert ("role" in delta) == (number == 0)
        message["content"] += delta.get("content") or ""
        message["reasoning_content"] += delta.get("reasoning_content") or ""
        for call in delta.get("tool_calls", ()):
            if call["index"] == len(message["tool_calls"]):
                message["tool_calls"].append({"id": call["id"], "function": dict(call["function"])})
            else:
                fragment = call["function"]["arguments"]
                message["tool_calls"][call["index"]]["function"]["arguments"] += fragment
        finish = choice["finish_reason"] or finish
    return seen_in(message, finish)


def body_of(record: Record) -> bytes:
    return base64.b64decode(record["response"]["body_base64"])


def cut(data: bytes, seed: str) -> list[bytes]:
    chance = random.Random(seed)
    longest = chance.choice((1, 7, 50, 500, 5000))
    pieces, at = [], 0
    while at < len(data):
        step = chance.randint(1, longest)
        pieces.append(data[at : at + step])
        at += step
    return pieces


def test_whole_answers_say_what_the_provider_said(wholes: list[Record]) -> None:
    seen = 0
    for record in wholes:
        if record["response"]["status"] != 200:
            continue
        body = record["response"]["body"]
        answer = DIALECT.decode(response_of(record), TARGET)
        (choice,) = answer.choices
        told = told_by(body["output"]["message"]["content"], body["stopReason"])
        assert seen_in(choice["message"], choice["finish_reason"]) == told, record["id"]
        assert choice["native_finish_reason"] == body["stopReason"]
        assert counted(answer.usage) == counts_of(body["usage"]), record["id"]
        assert answer.extra.get("trace") == body.get("trace")
        data = response_json(
            answer, request_id="r", model="m", parameters={}, llm_status=200, response_time_ns=1
        )
        if "annotations" not in choice["message"]:  # OpenAI has no citations but of the web
            ChatCompletion.model_validate_json(data)
        seen += 1
    assert seen > 100


def test_signatures_and_redacted_reasoning_are_kept(wholes: list[Record]) -> None:
    signed = redacted = 0
    for record in wholes:
        if record["response"]["status"] != 200:
            continue
        content = record["response"]["body"]["output"]["message"]["content"]
        blocks = [block["reasoningContent"] for block in content if "reasoningContent" in block]
        kept = DIALECT.decode(response_of(record), TARGET).choices[0]["message"]
        details = list(kept.get("reasoning_details", ()))
        for block in blocks:
            if "redactedContent" in block:
                data = details.pop(0)["data"]
                assert base64.b64encode(data.encode()).decode() == block["redactedContent"]
                redacted += 1
            elif block["reasoningText"].get("signature"):
                detail = details.pop(0)
                assert detail["thinking"] == block["reasoningText"]["text"]
                assert detail["signature"] == block["reasoningText"]["signature"]
                signed += 1
        assert not details
    assert signed > 3
    assert redacted > 0


def test_streams_add_up_to_what_the_provider_said(streams: list[Record]) -> None:
    seen = 0
    for record in streams:
        if "stream_error" in record["tags"] or record["response"]["status"] != 200:
            continue
        frames = frames_of(body_of(record))
        chunks = streamed([body_of(record)])
        assert added_up(chunks) == told_by_frames(frames), record["id"]
        (metadata,) = [body for name, body in frames if name == "metadata"]
        assert counted(chunks[-1].usage) == counts_of(metadata["usage"]), record["id"]
        assert chunks[-1].extra.get("trace") == metadata.get("trace")
        seen += 1
    assert seen > 20


def test_streams_cut_anywhere_give_the_same_chunks(streams: list[Record]) -> None:
    for record in streams:
        if "stream_error" not in record["tags"] and record["response"]["status"] == 200:
            data = body_of(record)
            assert streamed(cut(data, record["id"])) == streamed([data]), record["id"]


def test_a_stream_that_breaks_off_before_its_end_is_never_whole(streams: list[Record]) -> None:
    for record in streams:
        if "stream_error" in record["tags"] or record["response"]["status"] != 200:
            continue
        data = body_of(record)
        end = data.index(b"messageStop")
        for at in {0, 1, end // 3, end // 2, end}:
            decoder = DIALECT.decoder(TARGET)
            decoder.feed(data[:at])
            with pytest.raises(GatewayError) as caught:
                decoder.close()
            assert caught.value.kind.type == "upstream_cut", record["id"]


def test_a_flipped_bit_before_the_end_is_never_passed_off_as_an_answer(
    streams: list[Record],
) -> None:
    for record in streams[:10]:
        if "stream_error" in record["tags"] or record["response"]["status"] != 200:
            continue
        data = bytearray(body_of(record))
        chance = random.Random(record["id"])
        data[chance.randrange(data.index(b"messageStop"))] ^= 1
        with pytest.raises(GatewayError) as caught:
            streamed(cut(bytes(data), record["id"]))
        assert caught.value.kind.type in ("bad_upstream_reply", "upstream_cut")


def test_errors_have_the_right_kind(recordings: Callable[[str], list[Record]]) -> None:
    seen = 0
    for endpoint in ("converse", "converse-stream", "invoke", "invoke-with-response-stream"):
        for record in recordings(endpoint):
            response = record["response"]
            if response["status"] == 200:
                continue
            error = DIALECT.error(response_of(record), TARGET)
            name = response["headers"].get("x-amzn-errortype", "").split(":")[0]
            message = response["body"]["message"]
            expected = KINDS.get(name, "provider_rejected")
            if "Input Tokens Exceeded" in message:
                expected = "context_too_long"
            elif "identifier is invalid" in message or "on-demand" in message:
                expected = "provider_model_missing"
            assert error.kind.type == expected, record["id"]
            assert SECRET not in f"{error.message}{error.detail}"
            seen += 1
    assert seen >= 15


def test_an_exception_in_a_stream_is_the_callers_where_it_is(streams: list[Record]) -> None:
    failed = [record for record in streams if "stream_error" in record["tags"]]
    assert failed
    for record in failed:
        ((name, body),) = frames_of(body_of(record))
        assert name == "validationException"
        decoder = DIALECT.decoder(TARGET)
        with pytest.raises(GatewayError) as caught:
            decoder.feed(body_of(record))
        assert caught.value.kind.type == "provider_rejected"
        assert body["message"] in caught.value.message


def test_the_provider_s_request_id_is_known_by_its_header(wholes: list[Record]) -> None:
    header = TARGET.deployment.vendor.request_id_header
    assert any(header in record["response"]["headers"] for record in wholes)


def test_a_page_in_place_of_an_answer_is_a_bad_reply() -> None:
    for body in (b"", b"<html>", b"null", b"[]", b'{"output":{}}', b'{"output":{"message":{}}}'):
        with pytest.raises(GatewayError) as caught:
            DIALECT.decode(HttpResponse(200, {}, body), TARGET)
        assert caught.value.kind.type == "bad_upstream_reply"
