"""The Anthropic dialect against recorded traffic of the Messages API."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel, ValidationError

from callgate.core.chat import Chunk, Usage
from callgate.core.present import chunk_event, chunk_head, response_json
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.anthropic.dialect import Anthropic

from .samples import SECRET, Record, response_of, target_of

DIALECT = Anthropic()

FINISH = {
    "end_turn": "stop", "stop_sequence": "stop", "pause_turn": "stop", "tool_use": "tool_calls",
    "max_tokens": "length", "refusal": "content_filter",
}  # fmt: skip
KIND_OF_ERROR = {
    (400, "invalid_request_error"): "provider_rejected",
    (401, "authentication_error"): "provider_credentials",
    (404, "not_found_error"): "provider_model_missing",
    (429, "rate_limit_error"): "provider_rate_limited",
    (503, None): "provider_unavailable",
    (529, "overloaded_error"): "provider_unavailable",
}


@pytest.fixture
def messages(recordings: Callable[[str], list[Record]]) -> list[Record]:
    return recordings("messages")


@pytest.fixture
def target() -> Target:
    return target_of("anthropic", upstream_model="claude-sonnet-4-5")


def sound(records: list[Record], *, stream: bool) -> Iterator[Record]:
    for record in records:
        failed = {"stream_error", "truncated_stream"} & set(record["tags"])
        if record["response"]["status"] == 200 and record["stream"] is stream and not failed:
            yield record


# --- what the recording says, read without any of our code -------------------------------------


def said(content: list[dict[str, Any]]) -> dict[str, Any]:
    """What these blocks say, in the words of a chat completion."""
    calls = [block for block in content if block["type"] == "tool_use"]
    thoughts = [block for block in content if block["type"] in ("thinking", "redacted_thinking")]
    known = ("text", "tool_use", "thinking", "redacted_thinking")
    return {
        "text": "".join(block["text"] for block in content if block["type"] == "text"),
        "calls": [(call["id"], call["name"], call["input"]) for call in calls],
        "thoughts": [
            (one.get("thinking"), one.get("signature"), one.get("data")) for one in thoughts
        ],
        "cited": [
            one.get("url") or one.get("source") or one.get("document_title")
            for block in content
            for one in block.get("citations") or ()
        ],
        "others": [block["type"] for block in content if block["type"] not in known],
    }


def tokens_of(usage: dict[str, Any]) -> tuple[Any, ...]:
    read = usage.get("cache_read_input_tokens")
    created = usage.get("cache_creation_input_tokens")
    total = usage["input_tokens"] + (read or 0) + (created or 0)
    thinking = (usage.get("output_tokens_details") or {}).get("thinking_tokens")
    return total, usage["output_tokens"], read, created, thinking


def events_of(body: str) -> list[dict[str, Any]]:
    lines = body.replace("\r\n", "\n").split("\n")
    data = [line[5:].strip() for line in lines if line.startswith("data:")]
    return [json.loads(one) for one in data if one != "[DONE]"]


def folded(events: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that the events of a stream add up to."""
    message: dict[str, Any] = {}
    blocks: dict[int, dict[str, Any]] = {}
    inputs: dict[int, str] = {}
    for event in events:
        if event["type"] == "message_start":
            message = {**event["message"], "usage": dict(event["message"]["usage"])}
        elif event["type"] == "content_block_start":
            blocks[event["index"]] = dict(event["content_block"])
        elif event["type"] == "content_block_delta":
            block, delta = blocks[event["index"]], event["delta"]
            if delta["type"] == "input_json_delta":
                inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
            elif delta["type"] == "citations_delta":
                block["citations"] = [*(block.get("citations") or ()), delta["citation"]]
            else:
                (key,) = delta.keys() - {"type"}
                block[key] = (block.get(key) or "") + delta[key]
        elif event["type"] == "message_delta":
            message.update({k: v for k, v in event["delta"].items() if v is not None})
            message["usage"].update({k: v for k, v in event["usage"].items() if v is not None})
    for index, text in inputs.items():
        blocks[index]["input"] = json.loads(text) if text else {}
    return {**message, "content": [blocks[index] for index in sorted(blocks)]}


# --- what we say --------------------------------------------------------------------------------


def told(message: dict[str, Any], extra: dict[str, Any]) -> dict[str, Any]:
    calls = [(call["id"], call["function"]) for call in message.get("tool_calls") or ()]
    details = message.get("reasoning_details") or ()
    annotations = [one[one["type"]] for one in message.get("annotations") or ()]
    assert (message.get("reasoning_content") or "") == "".join(
        one.get("thinking", "") for one in details
    )
    return {
        "text": message.get("content") or "",
        "calls": [(id_, one["name"], json.loads(one["arguments"])) for id_, one in calls],
        "thoughts": [
            (one.get("thinking"), one.get("signature"), one.get("data")) for one in details
        ],
        "cited": [one.get("url") or one.get("document_title") for one in annotations],
        "others": [block["type"] for block in extra.get("content_blocks", ())],
    }


def counted(usage: Usage | None) -> tuple[Any, ...]:
    assert usage is not None
    read, written = usage.input_details or {}, usage.output_details or {}
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
    return (
        usage.input_tokens, usage.output_tokens, read.get("cached_tokens"),
        read.get("cache_write_tokens"), written.get("reasoning_tokens"),
    )  # fmt: skip


class Added:
    """What the chunks of a stream add up to, as a client adds them."""

    def __init__(self, chunks: list[Chunk]) -> None:
        self.message: dict[str, Any] = {"tool_calls": [], "reasoning_content": ""}
        self.extra: dict[str, Any] = {"content_blocks": []}
        self.finish: tuple[str, str] | None = None
        self.usage = chunks[-1].usage
        for chunk in chunks:
            self.extra["content_blocks"] += chunk.extra.get("content_blocks", ())
            for choice in chunk.choices:
                if choice["finish_reason"]:
                    self.finish = (choice["finish_reason"], choice["native_finish_reason"])
                self._add(choice["delta"])

    def _add(self, delta: dict[str, Any]) -> None:
        message = self.message
        for key, value in delta.items():
            if key == "tool_calls":
                for fragment in value:
                    self._call(fragment)
            elif isinstance(value, list):
                message[key] = [*message.get(key, ()), *value]
            elif key == "role":
                assert message.setdefault("role", value) == value
            else:
                message[key] = message.get(key, "") + value

    def _call(self, fragment: dict[str, Any]) -> None:
        calls = self.message["tool_calls"]
        if fragment["index"] == len(calls):
            calls.append({"id": fragment["id"], "function": dict(fragment["function"])})
        else:
            assert "id" not in fragment
            calls[fragment["index"]]["function"]["arguments"] += fragment["function"]["arguments"]


def streamed(pieces: list[bytes], target: Target) -> list[Chunk]:
    decoder = DIALECT.decoder(target)
    chunks: list[Chunk] = []
    for piece in pieces:
        chunks.extend(decoder.feed(piece))
    chunks.extend(decoder.close())
    assert (decoder.done, decoder.skipped) == (True, 0)
    return chunks


def cut(data: bytes, seed: str) -> list[bytes]:
    chance = random.Random(seed)
    longest = chance.choice((1, 7, 50, 500, 5000))
    pieces, at = [], 0
    while at < len(data):
        step = chance.randint(1, longest)
        pieces.append(data[at : at + step])
        at += step
    return pieces


def beyond_openai(shape: type[BaseModel], body: bytes) -> set[str]:
    try:
        shape.model_validate_json(body)
    except ValidationError as error:
        return {str(one["loc"]) for one in error.errors() if "annotations" not in one["loc"]}
    return set()


# --- whole answers ------------------------------------------------------------------------------


def test_whole_answers_say_what_claude_said(messages: list[Record], target: Target) -> None:
    seen = 0
    for record in sound(messages, stream=False):
        given = record["response"]["body"]
        answer = DIALECT.decode(response_of(record), target)
        (choice,) = answer.choices
        assert told(choice["message"], answer.extra) == said(given["content"]), record["id"]
        assert choice["finish_reason"] == FINISH[given["stop_reason"]], record["id"]
        assert choice["native_finish_reason"] == given["stop_reason"]
        assert counted(answer.usage) == tokens_of(given["usage"]), record["id"]
        assert (answer.id, answer.model) == (given["id"], given["model"])
        seen += 1
    assert seen > 200


def test_whole_answers_are_presented_as_openais_sdk_reads_them(
    messages: list[Record], target: Target
) -> None:
    for record in sound(messages, stream=False):
        answer = DIALECT.decode(response_of(record), target)
        body = response_json(
            answer, request_id="r", model="m", parameters={}, llm_status=200, response_time_ns=1
        )
        assert not beyond_openai(ChatCompletion, body), record["id"]


def test_an_annotation_names_the_characters_that_it_is_about(
    messages: list[Record], target: Target
) -> None:
    seen = 0
    for record in sound(messages, stream=False):
        message = DIALECT.decode(response_of(record), target).choices[0]["message"]
        cited = [b["text"] for b in record["response"]["body"]["content"] if b.get("citations")]
        places = {
            (one[one["type"]]["start_index"], one[one["type"]]["end_index"])
            for one in message.get("annotations") or ()
        }
        assert [message["content"][start:end] for start, end in sorted(places)] == cited
        seen += len(places)
    assert seen > 5


# --- streams ------------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [lambda data, _: [data], cut], ids=["whole", "in pieces"])
def test_streams_add_up_to_what_claude_said(
    messages: list[Record], target: Target, pieces: Callable[[bytes, str], list[bytes]]
) -> None:
    seen = 0
    for record in sound(messages, stream=True):
        body = record["response"]["body"]
        given = folded(events_of(body))
        chunks = streamed(pieces(body.encode(), record["id"]), target)
        ours = Added(chunks)
        assert told(ours.message, ours.extra) == said(given["content"]), record["id"]
        assert ours.finish == (FINISH[given["stop_reason"]], given["stop_reason"]), record["id"]
        assert counted(ours.usage) == tokens_of(given["usage"]), record["id"]
        assert chunks[0].choices[0]["delta"]["role"] == "assistant"
        assert {(chunk.id, chunk.model) for chunk in chunks} == {(given["id"], given["model"])}
        seen += 1
    assert seen > 100


def test_a_stream_and_a_whole_answer_of_the_same_blocks_are_the_same_message(
    messages: list[Record], target: Target
) -> None:
    for record in sound(messages, stream=True):
        body = record["response"]["body"]
        whole = {**record, "response": {**record["response"], "body": folded(events_of(body))}}
        message = DIALECT.decode(response_of(whole), target).choices[0]["message"]
        ours = Added(streamed([body.encode()], target)).message
        for key in ("reasoning_details", "annotations"):
            assert message.get(key) == ours.get(key), record["id"]


def test_a_stream_that_lacks_its_end_is_cut(messages: list[Record], target: Target) -> None:
    for record in sound(messages, stream=True):
        data = record["response"]["body"].encode()
        chance = random.Random(record["id"])
        start = data.index(b"\n\n") + 2
        end = data.rindex(b"event: message_delta")  # the stop reason: without it, all is in doubt
        decoder = DIALECT.decoder(target)
        decoder.feed(data[: chance.randint(start, end)])
        with pytest.raises(GatewayError) as error:
            decoder.close()
        assert error.value.kind.type == "upstream_cut", record["id"]
        assert not decoder.done


def test_chunks_are_presented_as_openais_sdk_reads_them(
    messages: list[Record], target: Target
) -> None:
    for record in sound(messages, stream=True):
        for chunk in streamed([record["response"]["body"].encode()], target):
            body = chunk_event(chunk_head(request_id="r", model="m", id="i", created=1), chunk)[6:]
            assert not beyond_openai(ChatCompletionChunk, body), record["id"]


# --- errors -------------------------------------------------------------------------------------


def test_error_responses_become_the_right_row(messages: list[Record], target: Target) -> None:
    seen: Counter[str] = Counter()
    for record in messages:
        status, body = record["response"]["status"], record["response"]["body"]
        if status == 200:
            continue
        error = DIALECT.error(response_of(record), target)
        native = body["error"]["type"] if isinstance(body, dict) else None
        assert error.kind.type == KIND_OF_ERROR[status, native], record["id"]
        if isinstance(body, dict):
            assert (body["error"]["message"] in error.message) is (error.kind.origin == "client")
        seen[error.kind.type] += 1
    assert seen["provider_rejected"] > 10
    assert len(seen) >= 4


def test_an_error_inside_a_stream_is_never_an_answer(
    messages: list[Record], target: Target
) -> None:
    failing = [one for one in messages if "stream_error" in one["tags"]]
    assert failing
    for record in failing:
        with pytest.raises(GatewayError) as error:
            streamed([record["response"]["body"].encode()], target)
        assert error.value.kind.type == "provider_unavailable"
        assert SECRET not in str(error.value)
