"""The OpenAI dialect against recorded traffic of seven vendors."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.chat.completion_create_params import CompletionCreateParams
from pydantic import BaseModel, TypeAdapter, ValidationError

from callgate.core.chat import Chunk, Usage
from callgate.core.present import chunk_event, chunk_head, response_json
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.openai.dialect import OpenAI

from .samples import SECRET, Record, request_of, response_of, target_of

DIALECT = OpenAI()
LIMITS = {"max_tokens", "max_completion_tokens"}

# A 400 or 404 may be about the request or about the model that the operator configured.
VENDORS_OWN = {
    "service_tier",  # Groq: `on_demand`
    "finish_reason",  # one answer of OpenRouter came without any
    "annotations",  # OpenRouter: of type `file`
}
FIELDS = VENDORS_OWN | {"message", "delta", "logprobs", "usage", "choices"}
KIND_OF_STATUS = {
    400: {"provider_rejected", "context_too_long", "provider_model_missing"},
    401: {"provider_credentials"},
    403: {"provider_rejected", "content_filtered"},
    404: {"provider_model_missing", "provider_rejected"},
    408: {"upstream_timeout"},
    413: {"provider_request_too_large"},
    422: {"provider_rejected"},
    429: {"provider_rate_limited"},
    500: {"provider_unavailable"},
    502: {"provider_unavailable"},
    503: {"provider_unavailable"},
}


@pytest.fixture
def chats(recordings: Callable[[str], list[Record]]) -> list[Record]:
    return recordings("chat.completions")


def of(record: Record) -> Target:
    vendor = record["provider"]
    return target_of(vendor if vendor != "google" else "openai-compatible")


def sound(records: list[Record], *, stream: bool) -> Iterator[Record]:
    return (one for one in unfailed(records, stream=stream) if not says_nothing(one))


def unfailed(records: list[Record], *, stream: bool) -> Iterator[Record]:
    for record in records:
        failed = {"error_200", "error_in_choice", "stream_error"} & set(record["tags"])
        if record["response"]["status"] == 200 and record["stream"] is stream and not failed:
            yield record


def says_nothing(record: Record) -> bool:
    """Whether it is a stream without a word, a reason or a token: one of OpenRouter's is."""
    events = events_of(record["response"]["body"]) if record["stream"] else []
    choices = [choice for event in events for choice in event.get("choices", ())]
    if not events or any(choice.get("finish_reason") for choice in choices):
        return False
    return (usage_in(events) or (0, 0, 0))[1] == 0


# --- what the recording says, read without any of our code -------------------------------------


def text_of(content: Any) -> str:
    if isinstance(content, list):
        return "".join(part["text"] for part in content if part["type"] == "text")
    return content or ""


def thought_of(message: dict[str, Any]) -> str:
    said = message.get("reasoning_content") or ""
    for part in message["content"] if isinstance(message.get("content"), list) else ():
        if part["type"] == "thinking":
            said += "".join(one["text"] for one in part["thinking"])
    return said


def arguments_of(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def finish_of(reason: str | None) -> str | None:
    return "tool_calls" if reason == "tool_call" else reason


def tokens_of(usage: dict[str, Any]) -> tuple[int, int, int]:
    read, written, total = (
        usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"],
    )  # fmt: skip
    reasoning = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    if read + written + reasoning == total:  # xAI counts reasoning beside the output
        written += reasoning
    return read, written, total


def events_of(body: str) -> list[dict[str, Any]]:
    lines = body.replace("\r\n", "\n").split("\n")
    data = [line[5:].strip() for line in lines if line.startswith("data:")]
    return [json.loads(one) for one in data if one != "[DONE]"]


class Told:
    """What one choice of a stream adds up to."""

    def __init__(self) -> None:
        self.text = self.thought = self.reasoning = self.refusal = ""
        self.finish: str | None = None
        self.calls: list[dict[str, str]] = []

    def add(self, choice: dict[str, Any]) -> None:
        delta = choice.get("delta") or {}
        self.text += text_of(delta.get("content"))
        self.thought += thought_of(delta)
        self.reasoning += delta.get("reasoning") or ""
        self.refusal += delta.get("refusal") or ""
        self.finish = finish_of(choice.get("finish_reason")) or self.finish
        for call in delta.get("tool_calls") or ():
            self.add_call(call)

    def add_call(self, call: dict[str, Any]) -> None:
        function = call["function"]
        at = call.get("index", len(self.calls))
        if at == len(self.calls):
            self.calls.append({"id": call.get("id", ""), "name": "", "arguments": ""})
        self.calls[at]["name"] += function.get("name") or ""
        self.calls[at]["arguments"] += function.get("arguments") or ""

    def seen(self) -> tuple[Any, ...]:
        calls = [(c["id"], c["name"], arguments_of(c["arguments"])) for c in self.calls]
        return (self.text, self.thought, self.reasoning, self.refusal, self.finish, calls)


def added_up(choices: list[dict[str, Any]]) -> dict[int, tuple[Any, ...]]:
    told: dict[int, Told] = {}
    for choice in choices:
        told.setdefault(choice.get("index", 0), Told()).add(choice)
    return {index: one.seen() for index, one in told.items()}


def usage_in(events: list[dict[str, Any]]) -> tuple[int, int, int] | None:
    found = None
    for event in events:
        usage = event.get("usage") or (event.get("x_groq") or {}).get("usage")
        found = tokens_of(usage) if usage else found
    return found


def counted(usage: Usage | None) -> tuple[int, int, int] | None:
    return usage and (usage.input_tokens, usage.output_tokens, usage.total_tokens)


def streamed(record: Record, pieces: list[bytes]) -> tuple[list[Chunk], bool, int]:
    decoder = DIALECT.decoder(of(record))
    chunks: list[Chunk] = []
    for piece in pieces:
        chunks.extend(decoder.feed(piece))
    chunks.extend(decoder.close())
    return chunks, decoder.done, decoder.skipped


def answered(record: Record) -> None:
    if record["stream"]:
        streamed(record, [record["response"]["body"].encode()])
    else:
        DIALECT.decode(response_of(record), of(record))


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
    """The fields that OpenAI's own types do not take as they are."""
    try:
        shape.model_validate_json(body)
    except ValidationError as error:
        return {
            next(str(at) for at in reversed(one["loc"]) if at in FIELDS) for one in error.errors()
        }
    return set()


# --- requests -----------------------------------------------------------------------------------


def test_every_field_of_every_request_arrives_as_it_was_sent(chats: list[Record]) -> None:
    for record in chats:
        given = record["request"]["body"]
        target = of(record)
        sent = DIALECT.encode(request_of(given), target)
        body = json.loads(sent.body)
        own = {"model", "stream_options"} | LIMITS
        assert {k: v for k, v in body.items() if k not in own} == {
            k: v for k, v in given.items() if k not in own and v is not None
        }, record["id"]
        limit = given.get("max_completion_tokens") or given.get("max_tokens") or 1000
        assert LIMITS & body.keys() == {target.deployment.vendor.max_tokens_field}
        assert body[target.deployment.vendor.max_tokens_field] == limit
        assert body["model"] == "up-model"
        if given.get("stream") and target.deployment.vendor.stream_usage:
            assert body["stream_options"]["include_usage"] is True


def test_requests_that_openai_took_are_still_valid_to_its_own_types(chats: list[Record]) -> None:
    types: TypeAdapter[Any] = TypeAdapter(CompletionCreateParams)
    checked = 0
    for record in sound(chats, stream=False):
        if record["provider"] != "openai" or "azure" in record["tags"]:
            continue
        given = {"model": "m", **record["request"]["body"]}
        try:
            types.validate_python(given)
        except ValidationError:
            continue  # a field that these types do not know yet, or know otherwise
        types.validate_python(json.loads(DIALECT.encode(request_of(given), of(record)).body))
        checked += 1
    assert checked > 100


# --- whole answers ------------------------------------------------------------------------------


def test_whole_answers_say_what_the_vendor_said(chats: list[Record]) -> None:
    seen = 0
    for record in sound(chats, stream=False):
        given = record["response"]["body"]
        answer = DIALECT.decode(response_of(record), of(record))
        assert counted(answer.usage) == usage_in([given]), record["id"]
        for choice, told in zip(answer.choices, given["choices"], strict=True):
            message, theirs = choice["message"], told["message"]
            assert (message["content"] or "") == text_of(theirs.get("content")), record["id"]
            assert (message.get("reasoning_content") or "") == thought_of(theirs), record["id"]
            assert choice["finish_reason"] == finish_of(told["finish_reason"]), record["id"]
            for call, his in zip(
                message.get("tool_calls") or (), theirs.get("tool_calls") or (), strict=True
            ):
                if "function" in his:
                    his["function"].setdefault("arguments", "{}")
                assert {**call, "id": 0} == {"type": "function", **his, "id": 0}, record["id"]
                assert call["id"] == his["id"] or (his["id"] == "" and call["id"]), record["id"]
            kept = theirs.keys() - {"content", "tool_calls", "reasoning_content"}
            assert {k: message[k] for k in kept} == {k: theirs[k] for k in kept}, record["id"]
            assert told.keys() <= choice.keys(), record["id"]
        seen += 1
    assert seen > 500


def test_whole_answers_are_presented_as_openais_sdk_reads_them(chats: list[Record]) -> None:
    for record in sound(chats, stream=False):
        answer = DIALECT.decode(response_of(record), of(record))
        body = response_json(
            answer, request_id="r", model="m", parameters={}, llm_status=200, response_time_ns=1
        )
        assert beyond_openai(ChatCompletion, body) <= VENDORS_OWN, record["id"]


# --- streams ------------------------------------------------------------------------------------


def test_streams_add_up_to_what_the_vendor_said(chats: list[Record]) -> None:
    seen = 0
    for record in sound(chats, stream=True):
        body = record["response"]["body"]
        events = events_of(body)
        chunks, done, skipped = streamed(record, [body.encode()])
        assert (done, skipped) == (True, 0), record["id"]
        ours = added_up([choice for chunk in chunks for choice in chunk.choices])
        theirs = added_up([choice for event in events for choice in event.get("choices", ())])
        for index, told in theirs.items():
            given = ours[index]
            assert given[:5] == told[:5], record["id"]
            assert [c[1:] for c in given[5]] == [c[1:] for c in told[5]], record["id"]
            for mine, his in zip(given[5], told[5], strict=True):
                assert mine[0] == his[0] or (not his[0] and mine[0]), record["id"]
        assert ours.keys() == theirs.keys(), record["id"]
        usages = [counted(chunk.usage) for chunk in chunks if chunk.usage]
        assert (usages[-1] if usages else None) == usage_in(events), record["id"]
        seen += 1
    assert seen > 300


def test_streams_cut_anywhere_give_the_same_chunks(chats: list[Record]) -> None:
    for record in sound(chats, stream=True):
        data = record["response"]["body"].encode()
        assert streamed(record, cut(data, record["id"])) == streamed(record, [data]), record["id"]


def test_streams_that_break_off_are_told_as_cut(chats: list[Record]) -> None:
    for record in sound(chats, stream=True):
        body = record["response"]["body"]
        finish = min(
            (at for at, event in enumerate(events_of(body))
             if any(choice.get("finish_reason") for choice in event.get("choices", ()))),
            default=0,
        )  # fmt: skip
        kept = [line for line in body.replace("\r\n", "\n").split("\n") if line.startswith("data:")]
        chance = random.Random(record["id"])
        short = "\n\n".join([*kept[:finish], kept[finish][: chance.randint(0, 20)]])
        decoder = DIALECT.decoder(of(record))
        decoder.feed(short.encode())
        with pytest.raises(GatewayError) as told:
            decoder.close()
        assert told.value.kind.type == "upstream_cut", record["id"]
        assert not decoder.done


def test_a_stream_that_says_nothing_but_that_it_is_done_is_a_failure(chats: list[Record]) -> None:
    (record,) = filter(says_nothing, unfailed(chats, stream=True))
    with pytest.raises(GatewayError) as told:
        streamed(record, [record["response"]["body"].encode()])
    assert told.value.kind.type == "upstream_cut"


def test_chunks_are_presented_as_openais_sdk_reads_them(chats: list[Record]) -> None:
    for record in sound(chats, stream=True):
        chunks, _, _ = streamed(record, [record["response"]["body"].encode()])
        for chunk in chunks[:3] + chunks[-3:]:
            body = chunk_event(chunk_head(request_id="r", model="m", id="i", created=1), chunk)[6:]
            assert beyond_openai(ChatCompletionChunk, body) <= VENDORS_OWN, record["id"]


# --- errors -------------------------------------------------------------------------------------


def test_error_responses_become_the_right_row(chats: list[Record]) -> None:
    seen = 0
    for record in chats:
        status = record["response"]["status"]
        if status == 200:
            continue
        error = DIALECT.error(response_of(record), of(record))
        assert error.kind.type in KIND_OF_STATUS[status], (record["id"], error.kind.type)
        if error.kind.origin != "client":
            body = record["response"]["body"]
            words = json.dumps(body) if isinstance(body, dict) else body
            assert error.message not in words
        seen += 1
    assert seen > 60


def test_errors_inside_a_200_are_never_an_answer(chats: list[Record]) -> None:
    kinds = {}
    for record in chats:
        tags = set(record["tags"])
        if record["response"]["status"] != 200:
            continue
        with_error = {"error_200", "error_in_choice", "stream_error"} & tags
        if not with_error:
            continue
        with pytest.raises(GatewayError) as told:
            answered(record)
        kinds[record["id"]] = told.value.kind.type
        assert SECRET not in str(told.value)
    assert sorted(kinds.values()) == sorted(
        ["provider_rejected"] * 9 + ["provider_unavailable"] * 4
    ), kinds
