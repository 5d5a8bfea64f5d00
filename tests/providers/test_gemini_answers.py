"""Answers of Gemini that the recordings do not show, and those that make no sense."""

from __future__ import annotations

import contextlib
import json
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse
from callgate.errors import GatewayError

from .gemini_wire import GEMINI, answer, decoded, streamed
from .samples import target_of


def failing(body: Any) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        decoded(body)
    return caught.value


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("RECITATION", "content_filter"),
        ("LANGUAGE", "content_filter"),
        ("OTHER", "content_filter"),
        ("BLOCKLIST", "content_filter"),
        ("PROHIBITED_CONTENT", "content_filter"),
        ("SPII", "content_filter"),
        ("MODEL_ARMOR", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("A_REASON_YET_TO_COME", "content_filter"),
    ],
)
def test_finish_reasons_become_openais_and_keep_googles_word(theirs: str, ours: str) -> None:
    whole = decoded(answer({"text": "x"}, finishReason=theirs)).choices[0]
    assert (whole["finish_reason"], whole["native_finish_reason"]) == (ours, theirs)
    piece = streamed(answer({"text": "x"}, finishReason=theirs))[0].choices[0]
    assert (piece["finish_reason"], piece["native_finish_reason"]) == (ours, theirs)


@pytest.mark.parametrize("reason", ["UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"])
def test_a_reason_that_speaks_of_calls_needs_one(reason: str) -> None:
    call = {"functionCall": {"name": "f", "args": {}}}
    choice = decoded(answer(call, finishReason=reason)).choices[0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("tool_calls", reason)
    for parts in ((), ({"text": "Let me"},)):
        assert failing(answer(*parts, finishReason=reason)).kind.type == "bad_upstream_reply"
        with pytest.raises(GatewayError):
            streamed(answer(*parts), answer(finishReason=reason))


def test_an_answer_without_text_or_calls_has_content_all_the_same() -> None:
    picture = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}
    for part in (picture, {"text": "Hm.", "thought": True}):
        message = decoded(answer(part, finishReason="STOP")).choices[0]["message"]
        assert message["content"] == ""


def test_pieces_of_sound_say_once_what_they_are() -> None:
    sound = {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAAA"}}
    chunks = streamed(answer(sound), answer(sound), answer(finishReason="STOP"))
    told = [c["delta"]["audio"] for chunk in chunks for c in chunk.choices if "audio" in c["delta"]]
    assert [sorted(one) for one in told] == [["data", "id", "mime_type"], ["data"]]


@pytest.mark.parametrize(("reason", "ours"), [(3, "SAFETY"), (9, "MALFORMED_FUNCTION_CALL")])
def test_numbers_of_vertex_ai_are_reasons_too(reason: int, ours: str) -> None:
    vertex = target_of("vertex")
    if ours == "SAFETY":
        choice = decoded(answer({"text": ""}, finishReason=reason), vertex).choices[0]
        assert choice["native_finish_reason"] == ours
    else:
        with pytest.raises(GatewayError) as caught:
            decoded(answer(finishReason=reason), vertex)
        assert caught.value.kind.type == "bad_upstream_reply"


@pytest.mark.parametrize("reason", ["MALFORMED_FUNCTION_CALL", "MALFORMED_RESPONSE"])
def test_a_malformed_call_is_no_answer(reason: str) -> None:
    told = answer(finishReason=reason, finishMessage="Malformed function call: print(")
    error = failing(told)
    assert error.kind.type == "bad_upstream_reply"
    assert error.kind.retryable
    assert "print(" in (error.detail or "")
    with pytest.raises(GatewayError) as caught:
        streamed(answer({"text": "x"}), told)
    assert caught.value.kind.type == "bad_upstream_reply"


BLOCKED = {"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "No."}}


def test_a_blocked_prompt_is_the_caller_s_to_change() -> None:
    error = failing(BLOCKED)
    assert (error.kind.type, error.kind.status) == ("content_filtered", 400)
    assert "SAFETY: No." in error.message
    for body in (BLOCKED, {"candidates": [], **BLOCKED}):
        with pytest.raises(GatewayError) as caught:
            streamed(body)
        assert caught.value.kind.type == "content_filtered"


def test_a_failure_within_a_stream_keeps_its_class_and_what_came_before() -> None:
    data = b"".join(
        b"data: " + json.dumps(one).encode() + b"\r\n\r\n"
        for one in (
            answer({"text": "So far"}),
            {"error": {"code": 503, "status": "UNAVAILABLE", "message": "overloaded"}},
        )
    )
    decoder = GEMINI.decoder(target_of("gemini"))
    chunks = decoder.feed(data)
    assert [chunk.choices[0]["delta"]["content"] for chunk in chunks] == ["So far"]
    with pytest.raises(GatewayError) as caught:
        decoder.close()
    assert caught.value.kind.type == "provider_unavailable"
    assert not decoder.done


def test_usage_is_the_last_that_was_told() -> None:
    first = {"promptTokenCount": 5, "candidatesTokenCount": 1, "totalTokenCount": 6}
    last = {
        "promptTokenCount": 5,
        "toolUsePromptTokenCount": 7,
        "candidatesTokenCount": 3,
        "thoughtsTokenCount": 2,
        "cachedContentTokenCount": 4,
        "totalTokenCount": 17,
        "promptTokensDetails": [
            {"modality": "TEXT", "tokenCount": 3},
            {"modality": "AUDIO", "tokenCount": 2},
        ],
        "candidatesTokensDetails": [{"modality": 2, "tokenCount": 3}],
        "trafficType": "ON_DEMAND",
    }
    chunks = streamed(
        {**answer({"text": "a"}), "usageMetadata": first},
        {**answer({"text": "b"}, finishReason="STOP"), "usageMetadata": last},
        {"usageMetadata": {"trafficType": "ON_DEMAND"}, "responseId": "r1"},
    )
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 5, 17)
    assert usage.input_details == {"cached_tokens": 4, "audio_tokens": 2}
    assert usage.output_details == {"reasoning_tokens": 2, "image_tokens": 3}
    assert usage.extra == {"tool_use_prompt_tokens": 7, "traffic_type": "ON_DEMAND"}


def test_log_probabilities_have_openais_shape() -> None:
    result = {
        "chosenCandidates": [{"token": "é", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "e", "logProbability": -1}]}],
    }
    body = answer({"text": "é"}, logprobsResult=result, finishReason="STOP")
    assert decoded(body).choices[0]["logprobs"] == {
        "content": [
            {
                "token": "é",
                "logprob": -0.5,
                "bytes": [195, 169],
                "top_logprobs": [{"token": "e", "logprob": -1, "bytes": [101]}],
            }
        ],
        "refusal": None,
    }


def test_parts_that_openai_has_not_are_kept() -> None:
    part = {"executableCode": {"language": "PYTHON", "code": "1"}}
    message = decoded(answer({"text": "a"}, part, {"text": "b"})).choices[0]["message"]
    assert (message["content"], message["content_parts"]) == ("ab", [part])


def test_two_candidates_end_each_for_itself() -> None:
    def piece(index: int, **more: Any) -> dict[str, Any]:
        return {"index": index, "content": {"parts": [{"text": "x"}]}, **more}

    both = {"candidates": [piece(0, finishReason="STOP"), piece(1)]}
    with pytest.raises(GatewayError) as caught:
        streamed(both)
    assert caught.value.kind.type == "upstream_cut"
    chunks = streamed(both, {"candidates": [piece(1, finishReason="MAX_TOKENS")]})
    assert chunks[-1].choices[0]["finish_reason"] == "length"


@pytest.mark.parametrize("end", [b"\r\n\r\n", b"\n\n", b"\r\r"])
def test_every_end_of_line_is_read(end: bytes) -> None:
    chunks = streamed(answer({"text": "a"}), answer({"text": "b"}, finishReason="STOP"), end=end)
    assert "".join(chunk.choices[0]["delta"]["content"] for chunk in chunks) == "ab"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "bad_upstream_reply"),
        (b"<html><body>Bad Gateway</body></html>", "bad_upstream_reply"),
        (b'{"candidates": [{"content": {"parts": [{"te', "bad_upstream_reply"),
        (b"[]", "bad_upstream_reply"),
        (b'"x"', "bad_upstream_reply"),
        ({}, "bad_upstream_reply"),
        ({"candidates": []}, "bad_upstream_reply"),
        ({"candidates": "x"}, "bad_upstream_reply"),
        ({"candidates": [3]}, "bad_upstream_reply"),
        ({"candidates": [{"content": "x"}]}, "bad_upstream_reply"),
        ({"candidates": [{"content": {"parts": "x"}}]}, "bad_upstream_reply"),
        (answer({"functionCall": {"args": {}}}), "bad_upstream_reply"),
        (answer({"functionCall": {"name": "f", "args": "x"}}), "bad_upstream_reply"),
        (answer({"inlineData": {"mimeType": "image/png"}}), "bad_upstream_reply"),
        ({"error": {"code": 429, "status": "RESOURCE_EXHAUSTED"}}, "provider_rate_limited"),
        ([{"error": {"code": 400, "message": "x"}}], "provider_rejected"),
    ],
)
def test_a_reply_that_makes_no_sense(body: Any, kind: str) -> None:
    assert failing(body).kind.type == kind
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    for sent in (data, b"data: " + data + b"\n\n"):
        decoder = GEMINI.decoder(target_of("gemini"))
        with pytest.raises(GatewayError) as caught:
            list(decoder.feed(sent)) + list(decoder.close())
        assert not decoder.done
        assert caught.value.kind.type in (kind, "upstream_cut")
        if sent is data and data[:1] in (b"<", b"["):
            assert caught.value.kind.type == kind or data == b"[]"


def test_one_malformed_event_amid_a_sound_stream_is_counted() -> None:
    decoder = GEMINI.decoder(target_of("gemini"))
    sound = json.dumps(answer({"text": "a"}, finishReason="STOP")).encode()
    chunks = decoder.feed(b"data: {oops\n\ndata: " + sound + b"\n\n")
    assert len(chunks) == 1
    assert decoder.skipped == 1
    with pytest.raises(GatewayError):
        decoder.feed(b"data: x\n\n" * 4)


def test_a_malformed_piece_of_a_call_is_never_passed_over() -> None:
    decoder = GEMINI.decoder(target_of("gemini"))
    decoder.feed(b"data: " + json.dumps(answer({"text": "a"})).encode() + b"\n\n")
    nameless = json.dumps(answer({"functionCall": {"args": {"a": 1}}}, finishReason="STOP"))
    with pytest.raises(GatewayError, match="malformed piece"):
        decoder.feed(b"data: " + nameless.encode() + b"\n\n")


@pytest.mark.parametrize("broken", [None, {"content": 1}, {"content": {"parts": [1]}, "index": 1}])
def test_a_skipped_event_neither_begins_nor_ends_an_answer(broken: Any) -> None:
    ends = answer({"text": "a"}, finishReason="STOP")
    half = {"candidates": [*ends["candidates"], broken]}
    with pytest.raises(GatewayError) as caught:
        streamed(half)
    assert caught.value.kind.type == "upstream_cut"
    begins = answer({"text": "b"})
    with pytest.raises(GatewayError):
        streamed(begins, half)
    (whole,) = streamed(half, ends)
    assert whole.choices[0]["delta"] == {"role": "assistant", "content": "a"}
    assert [chunk.choices[0]["finish_reason"] for chunk in streamed(begins, half, ends)] == [
        None,
        "stop",
    ]


# --- anything at all ----------------------------------------------------------------------------

WORDS = (
    "candidates", "content", "parts", "text", "functionCall", "name", "args", "inlineData",
    "mimeType", "data", "finishReason", "index", "usageMetadata", "promptTokenCount", "STOP",
    "groundingMetadata", "groundingChunks", "groundingSupports", "segment", "logprobsResult",
    "chosenCandidates", "promptFeedback", "blockReason", "error", "details", "retryDelay",
    "thoughtSignature", "citationMetadata", "citations", "uri", "responseId", "createTime",
    "promptTokensDetails", "modality", "tokenCount", "topCandidates", "fieldViolations",
)  # fmt: skip
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from((*WORDS, "", "audio/wav", "x"))
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=6,
)
CANDIDATE = st.fixed_dictionaries(
    {},
    optional={
        "content": VALUES | st.fixed_dictionaries({"parts": st.lists(VALUES, max_size=3)}),
        "finishReason": LEAVES,
        "index": LEAVES,
        "groundingMetadata": VALUES,
        "citationMetadata": VALUES,
        "logprobsResult": VALUES,
    },
)
BODIES = VALUES | st.fixed_dictionaries(
    {},
    optional={
        "candidates": VALUES | st.lists(CANDIDATE | VALUES, max_size=3),
        "usageMetadata": VALUES,
        "promptFeedback": VALUES,
        "error": VALUES,
        "createTime": LEAVES,
        "responseId": LEAVES,
    },
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=BODIES, status=st.sampled_from((400, 403, 429, 500)))
def test_no_reply_brings_the_adapter_down(body: Any, status: int) -> None:
    data = json.dumps(body).encode()
    target = target_of("gemini")
    with contextlib.suppress(GatewayError):
        assert decoded(data).choices
    assert isinstance(GEMINI.error(HttpResponse(status, {}, data), target), GatewayError)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(bodies=st.lists(BODIES, max_size=4), seed=st.integers(0, 99), array=st.booleans())
def test_no_stream_brings_the_decoder_down(bodies: list[Any], seed: int, array: bool) -> None:
    dice = random.Random(seed)
    data = (
        json.dumps(bodies).encode()
        if array
        else b"".join(b"data: " + json.dumps(one).encode() + b"\r\n\r\n" for one in bodies)
    )
    decoder = GEMINI.decoder(target_of("gemini"))
    chunks: list[Chunk] = []
    try:
        while data:
            size = dice.randrange(1, 60)
            chunks += decoder.feed(data[:size])
            data = data[size:]
        chunks += decoder.close()
    except GatewayError:
        assert not decoder.done
    else:
        assert any(choice["finish_reason"] for chunk in chunks for choice in chunk.choices), (
            "only what has ended is whole"
        )
