"""Answers of Converse that no recording holds: whole ones, and what streams hold besides text."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from callgate.core.http import HttpResponse
from callgate.core.response import ChatResponse
from callgate.errors import GatewayError

from .test_bedrock_stream import (
    DIALECT,
    METADATA,
    START,
    STOP,
    TARGET,
    decoded,
    delta,
    deltas,
    end,
    event,
    tool,
)


def answer(*blocks: dict[str, Any], **more: Any) -> ChatResponse:
    body = {"output": {"message": {"content": list(blocks)}}, "stopReason": "end_turn", **more}
    return DIALECT.decode(HttpResponse(200, {}, json.dumps(body).encode()), TARGET)


def message_of(*blocks: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = answer(*blocks).choices[0]["message"]
    return message


SEARCH = {"toolUseId": "s", "name": "nova_grounding", "type": "server_tool_use"}


@pytest.mark.parametrize(
    ("pieces", "given"),
    [(('{"query":', '"x"}'), {"query": "x"}), ((), {}), (("[1]",), [1]), (('{"que',), '{"que')],
)
def test_a_servers_own_call_is_the_same_from_a_stream_as_from_a_whole_answer(
    pieces: tuple[str, ...], given: Any
) -> None:
    block = {"toolUse": {**SEARCH, "input": given}}
    whole = message_of(block, {"text": "So."})
    assert (whole["content"], whole["content_parts"]) == ("So.", [block])
    assert "tool_calls" not in whole
    seen = deltas(
        tool(0, "s", "nova_grounding", type="server_tool_use"),
        *(delta(0, {"toolUse": {"input": piece}}) for piece in pieces),
        end(0),
        delta(1, {"text": "So."}),
    )
    assert [part for one in seen for part in one.get("content_parts", ())] == [block]


def test_citations_of_a_whole_answer_name_the_characters_of_their_block() -> None:
    web = {"title": "A", "location": {"web": {"url": "https://a.example", "domain": "a"}}}
    page = {"title": "B", "location": {"documentPage": {"documentIndex": 0, "start": 1, "end": 1}}}
    named = {"source": "http://b.example", "sourceContent": [{"text": "s"}]}
    message = message_of(
        {"text": "One "},
        {"citationsContent": {"content": [{"text": "two"}, {"text": " 3"}],
                              "citations": [web, page, named]}},
        {"text": "."},
    )  # fmt: skip
    assert message["content"] == "One two 3."
    span = {"start_index": 4, "end_index": 9}
    assert message["annotations"] == [
        {"type": "url_citation",
         "url_citation": {**web, "url": "https://a.example", "title": "A", **span}},
        {"type": "file_citation", "file_citation": {**page, **span}},
        {"type": "url_citation",
         "url_citation": {**named, "url": "http://b.example", "title": "", **span}},
    ]  # fmt: skip


def test_thoughts_that_are_hidden_are_kept_as_they_are() -> None:
    raw = base64.b64encode(b"\xff\x00not text").decode()
    text = base64.b64encode(b"claudes").decode()
    hidden = [{"reasoningContent": {"redactedContent": data}} for data in (raw, text)]
    expected = [
        {"type": "redacted_thinking", "data": raw, "format": "base64"},
        {"type": "redacted_thinking", "data": "claudes"},
    ]
    assert message_of(*hidden, {"text": "x"})["reasoning_details"] == expected
    seen = deltas(*(delta(at, block) for at, block in enumerate(hidden)), delta(2, {"text": "x"}))
    assert [one for told in seen for one in told.get("reasoning_details", ())] == expected


def test_thoughts_without_a_signature_are_told_and_have_no_details() -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "Hm."}}}
    assert message_of(thought, {"text": "x"}) == {
        "role": "assistant", "content": "x", "reasoning_content": "Hm.",
    }  # fmt: skip


def test_content_is_null_only_beside_calls() -> None:
    call = {"toolUse": {"toolUseId": "t", "name": "f", "input": {}}}
    assert message_of(call)["content"] is None
    assert message_of({"text": "x"}, call)["content"] == "x"
    for nothing in ((), ({"reasoningContent": {"reasoningText": {"text": "Hm."}}},)):
        assert message_of(*nothing)["content"] == ""


def test_what_the_provider_says_besides_is_kept() -> None:
    more = {
        "serviceTier": {"type": "flex"}, "performanceConfig": {"latency": "optimized"},
        "additionalModelResponseFields": {"x": 1}, "metrics": {"latencyMs": 7},
    }  # fmt: skip
    expected = {
        "service_tier": "flex", "performance_config": {"latency": "optimized"},
        "additional_model_response_fields": {"x": 1}, "metrics": {"latencyMs": 7},
    }  # fmt: skip
    assert answer({"text": "x"}, **more).extra == expected
    stop = event("messageStop", {"stopReason": "end_turn", "additionalModelResponseFields":
                 more.pop("additionalModelResponseFields")})  # fmt: skip
    *_, last = decoded(START, delta(0, {"text": "x"}), stop, event("metadata", more))
    assert last.extra == expected


@pytest.mark.parametrize(
    ("raw", "counts"),
    [
        ({"inputTokens": 3, "outputTokens": 2}, (3, 2, 5)),
        ({"inputTokens": 3, "outputTokens": 2, "totalTokens": 9}, (3, 2, 9)),
        ({"inputTokens": 3, "cacheReadInputTokens": 4, "cacheWriteInputTokens": 5}, (12, 0, 12)),
        ({"outputTokens": 2}, (0, 2, 2)),
        ({"inputTokens": 0, "outputTokens": 0, "totalTokens": 0}, (0, 0, 0)),
        ({"totalTokens": 2}, None),
        ({"inputTokens": -1, "outputTokens": "2"}, None),
        ([], None),
    ],
)
def test_what_came_from_the_cache_or_went_into_it_is_input(
    raw: Any, counts: tuple[int, int, int] | None
) -> None:
    usage = answer({"text": "x"}, usage=raw).usage
    if counts is None:
        assert usage is None
        return
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == counts
    assert usage.extra is None


def test_the_finish_reason_says_that_only_the_end_may_come() -> None:
    decoder = DIALECT.decoder(TARGET)
    for frame, finished, done in (
        (START + delta(0, {"text": "x"}), False, False),
        (STOP, True, False), (METADATA, True, True),
    ):  # fmt: skip
        decoder.feed(frame)
        assert (decoder.finished, decoder.done) == (finished, done)
    assert (decoder.feed(delta(0, {"text": "more"})), decoder.close()) == ((), ())


def test_an_answer_has_as_many_blocks_as_can_be() -> None:
    decoder = DIALECT.decoder(TARGET)
    decoder.feed(START + b"".join(delta(at, {"text": "x"}) for at in range(4096)))
    with pytest.raises(GatewayError) as caught:
        decoder.feed(delta(4096, {"text": "x"}))
    assert caught.value.kind.type == "bad_upstream_reply"
