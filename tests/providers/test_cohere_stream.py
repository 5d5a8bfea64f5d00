"""Streams and failures of Cohere that no recording holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse
from callgate.errors import GatewayError
from callgate.providers.cohere.dialect import Cohere

from .samples import SECRET, target_of

DIALECT = Cohere()
TARGET = target_of("cohere")
TOKENS = {"tokens": {"input_tokens": 3, "output_tokens": 2}, "cached_tokens": 1}


def event(kind: str, **body: Any) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **body})}\n\n".encode()


def text(said: str) -> bytes:
    return event("content-delta", index=0, delta={"message": {"content": {"text": said}}})


def end(reason: str = "COMPLETE", **more: Any) -> bytes:
    return event("message-end", delta={"finish_reason": reason, "usage": TOKENS, **more})


def call(kind: str, index: int, **given: Any) -> bytes:
    return event(f"tool-call-{kind}", index=index, delta={"message": {"tool_calls": given}})


def decoded(*pieces: bytes) -> Sequence[Chunk]:
    decoder = DIALECT.decoder(TARGET)
    chunks = [chunk for one in pieces for chunk in decoder.feed(one)]
    return [*chunks, *decoder.close()]


def failure(*pieces: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        decoded(*pieces)
    return caught.value


def test_parallel_calls_keep_their_places_and_empty_arguments_are_an_object() -> None:
    function = {"name": "f", "arguments": ""}
    chunks = decoded(
        call("start", 0, id="a", type="function", function=function),
        call("delta", 0, function={"arguments": '{"x":'}),
        call("delta", 0, function={"arguments": "1}"}),
        event("tool-call-end", index=0),
        call("start", 1, id="b", type="function", function=function),
        event("tool-call-end", index=1),
        end("TOOL_CALL"),
    )
    told = [one for c in chunks for one in c.choices[0]["delta"].get("tool_calls", ())]
    assert [(one["index"], one.get("id"), one["function"]["arguments"]) for one in told] == [
        (0, "a", ""), (0, None, '{"x":'), (0, None, "1}"), (1, "b", ""), (1, None, "{}"),
    ]  # fmt: skip
    assert chunks[-1].choices[0]["finish_reason"] == "tool_calls"
    assert chunks[0].choices[0]["delta"]["role"] == "assistant"


def test_a_citation_of_the_web_is_openais_and_another_is_coheres() -> None:
    web = {"type": "document", "id": "d", "document": {"url": "https://a.example", "title": "A"}}
    other = {"type": "tool", "id": "t", "tool_output": {"x": 1}}
    told = [{"start": 0, "end": 2, "text": "Hi", "sources": [source]} for source in (web, other)]
    pieces = [
        event("citation-start", index=n, delta={"message": {"citations": one}})
        for n, one in enumerate(told)
    ]
    chunks = decoded(text("Hi"), *pieces, end())
    notes = [one for c in chunks for one in c.choices[0]["delta"].get("annotations", ())]
    assert notes[0]["url_citation"] == {
        **told[0], "url": "https://a.example", "title": "A", "start_index": 0, "end_index": 2,
    }  # fmt: skip
    assert notes[1]["file_citation"]["sources"] == [other]


CITED = (
    ({"start": 5, "end": 8, "text": "add", "type": "PLAN"}, "add"),
    ({"start": 0, "end": 3, "text": "One", "type": "TEXT_CONTENT", "content_index": 1}, "One"),
    ({"start": 0, "end": 3, "text": "Two", "type": "TEXT_CONTENT", "content_index": 3}, "Two"),
    ({"start": 0, "end": 3, "text": "One"}, "One"),
    ({"start": 0, "end": 2, "text": "Hm", "type": "THINKING_CONTENT", "content_index": 0}, None),
)


def test_a_citation_is_of_the_characters_of_the_content_that_it_was_of_in_its_block() -> None:
    web = {"type": "document", "id": "d", "document": {"url": "https://a.example", "title": "A"}}
    cited = [({**citation, "sources": [web]}, words) for citation, words in CITED]
    blocks: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "One. "},
        {"type": "thinking", "thinking": "So"}, {"type": "text", "text": "Two."},
    ]  # fmt: skip
    whole = {"tool_plan": "I'll add. ", "content": blocks, "citations": [one for one, _ in cited]}
    body = {"id": "x", "message": whole, "finish_reason": "COMPLETE"}
    answer = DIALECT.decode(HttpResponse(200, {}, json.dumps(body).encode()), TARGET)
    message = answer.choices[0]["message"]
    chunks = decoded(
        event("tool-plan-delta", delta={"message": {"tool_plan": "I'll add. "}}),
        *[
            event("content-delta", index=at, delta={"message": {"content": {kind: part[3:]}}})
            if head
            else event("content-start", index=at, delta={"message": {"content": {kind: part[:3]}}})
            for at, block in enumerate(blocks)
            for kind, part in [(block["type"], block[block["type"]])]
            for head in (False, True)
        ],
        event("citation-start", index=0, delta={"message": {"citations": whole["citations"]}}),
        end(),
    )
    deltas = [choice["delta"] for chunk in chunks for choice in chunk.choices]
    content = "".join(one.get("content") or "" for one in deltas)
    assert content == message["content"] == "I'll add. One. Two."
    (noted,) = [one["annotations"] for one in deltas if "annotations" in one]
    assert noted == message["annotations"]
    for note, (citation, words) in zip(noted, cited, strict=True):
        if words is None:
            assert note == {"type": "file_citation", "file_citation": citation}
        else:
            place = note["url_citation"]
            assert content[place["start_index"] : place["end_index"]] == words


def test_nothing_after_the_end_counts() -> None:
    chunks = decoded(text("Hi") + end() + b"data: [DONE]\n\n" + text("more"))
    assert [c.choices[0]["delta"].get("content") for c in chunks] == ["Hi", None]


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((), "upstream_cut"),
        ((text("x"),), "upstream_cut"),
        ((text("x"), end()[:-9]), "upstream_cut"),
        ((text("x"), b"data: [DONE]\n\n"), "upstream_cut"),
        ((b"<html>502</html>",), "bad_upstream_reply"),
        ((b'{"a":1}',), "bad_upstream_reply"),
        ((b'{"id":"x","message":"too many tokens: no"}',), "context_too_long"),
        ((b"data: {\n\n",), "upstream_cut"),
        ((b"data: {\n\n" * 4,), "bad_upstream_reply"),
        ((b"data: 7\n\n",), "bad_upstream_reply"),
        ((event("content-delta", index=0, delta={"message": {}}),), "bad_upstream_reply"),
        ((call("delta", 3, function={"arguments": "x"}),), "bad_upstream_reply"),
        ((end("ERROR", error="no valid tool"),), "bad_upstream_reply"),
        ((end("ERROR"),), "bad_upstream_reply"),
        ((end("TIMEOUT"),), "upstream_timeout"),
        ((event("message-end", delta={}),), "bad_upstream_reply"),
    ],
)
def test_what_is_no_whole_answer_is_an_error(pieces: tuple[bytes, ...], kind: str) -> None:
    assert failure(*pieces).kind.type == kind


def test_unknown_events_are_passed_over() -> None:
    chunks = decoded(event("novelty", x=1), b": ping\n\n", text("x"), end())
    assert len(chunks) == 2


def test_chunks_before_a_failure_in_the_same_read_are_kept() -> None:
    decoder = DIALECT.decoder(TARGET)
    assert len(decoder.feed(text("x") + end("ERROR", error="no"))) == 1
    with pytest.raises(GatewayError):
        decoder.close()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "invalid request: messages must not be empty"}, "provider_rejected"),
        (401, {"message": "invalid api token"}, "provider_credentials"),
        (402, {"message": "pay"}, "provider_refused"),
        (404, {"message": "model 'x' not found, make sure"}, "provider_model_missing"),
        (429, {"message": "You are using a Trial key"}, "provider_rate_limited"),
        (498, {"message": "blocked"}, "content_filtered"),
        (500, {"message": "internal server error"}, "provider_unavailable"),
        (503, "Envoy", "provider_unavailable"),
        (504, {}, "upstream_timeout"),
    ],
)
def test_errors_are_told_by_type_wording_and_status(status: int, body: Any, kind: str) -> None:
    data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    found = DIALECT.error(HttpResponse(status, {"retry-after": "3"}, data), TARGET)
    assert found.kind.type == kind
    assert found.retry_after == (3 if found.kind.origin == "upstream" else None)


def test_the_operators_key_is_masked() -> None:
    body = json.dumps({"message": f"invalid api token {SECRET}"}).encode()
    found = DIALECT.error(HttpResponse(401, {}, body), TARGET)
    assert SECRET not in f"{found.message}{found.detail}"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "type", "delta", "message", "content", "text", "thinking", "tool_plan", "id",
                    "tool_calls", "function", "name", "arguments", "citations", "sources", "index",
                    "finish_reason", "usage", "tokens", "error", "logprobs", "document", "url",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)  # fmt: skip
KINDS = st.sampled_from(
    [
        "message-start", "content-start", "content-delta", "tool-plan-delta", "tool-call-start",
        "tool-call-delta", "tool-call-end", "citation-start", "message-end",
    ]
)  # fmt: skip


@given(st.lists(st.tuples(KINDS, JSON), max_size=6), st.binary(max_size=20))
def test_no_stream_raises_anything_but_a_gateway_error(
    events: list[tuple[str, Any]], rest: bytes
) -> None:
    decoder = DIALECT.decoder(TARGET)
    data = b"".join(
        event(kind, delta={"message": body}, index=0)
        if number % 2
        else b"data: " + json.dumps(body).encode() + b"\n\n"
        for number, (kind, body) in enumerate(events)
    )
    try:
        decoder.feed(data + rest)
        decoder.close()
    except GatewayError as error:
        assert error.kind.status != 500  # noqa: PT017 - it may also be whole
    else:
        assert decoder.done


@given(JSON)
def test_no_answer_raises_anything_but_a_gateway_error(body: Any) -> None:
    for whole in (body, {"message": body, "finish_reason": "COMPLETE"}):
        try:
            DIALECT.decode(HttpResponse(200, {}, json.dumps(whole).encode()), TARGET)
        except GatewayError as error:
            assert error.kind.status != 500  # noqa: PT017 - it may also be whole
