"""Parts of Gemini's answers, and what its events say beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callgate.core.chat import Chunk
from callgate.errors import GatewayError

from .gemini_types import sent
from .gemini_wire import GEMINI, answer, decoded, streamed
from .samples import target_of

SIGNED = {"text": "two", "thoughtSignature": "c2lnLTI="}
PICTURE = {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


def message_of(*parts: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = decoded(answer(*parts, finishReason="STOP")).choices[0]["message"]
    return message


def deltas(chunks: list[Chunk]) -> list[dict[str, Any]]:
    return [choice["delta"] for chunk in chunks for choice in chunk.choices]


def test_signed_pieces_of_a_text_come_back_as_they_were_among_the_unsigned() -> None:
    parts: list[dict[str, Any]] = [
        {"text": "one "}, SIGNED, {"text": " three "},
        {"text": "four", "thoughtSignature": "c2lnLTQ="}, {"text": "."},
    ]  # fmt: skip
    asked = {"role": "user", "content": "Count."}
    target = target_of("gemini", upstream_model="gemini-3-pro-preview")
    body = sent({"messages": [asked, message_of(*parts), asked]}, target)
    assert body["contents"][1]["parts"] == parts


def test_a_part_that_is_a_signature_alone_says_nothing_and_comes_back() -> None:
    for bare in ({"thoughtSignature": "c2ln"}, {"text": "", "thoughtSignature": "c2ln"}):
        message = message_of({"text": "Hi"}, bare)
        mark = {"type": "reasoning.encrypted", "format": "google-gemini-v1", "data": "c2ln"}
        assert message == {
            "role": "assistant",
            "content": "Hi",
            "reasoning_details": [{**mark, "start": 2, "end": 2}],
        }
        (first, last, _) = deltas(streamed(answer({"text": "Hi"}), answer(bare), END))
        assert (first["content"], last.get("content", "")) == ("Hi", "")
        assert last["reasoning_details"] == message["reasoning_details"]


def test_thoughts_without_a_signature_have_no_details() -> None:
    message = message_of({"text": "Hm.", "thought": True}, {"text": "Hi"})
    assert message == {"role": "assistant", "reasoning_content": "Hm.", "content": "Hi"}


END = answer(finishReason="STOP")


def test_pictures_are_numbered_and_of_openrouters_shape() -> None:
    expected = [
        {
            "type": "image_url",
            "index": at,
            "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="},
        }
        for at in (0, 1)
    ]
    assert message_of(PICTURE, PICTURE)["images"] == expected
    told = deltas(streamed(answer(PICTURE), answer(PICTURE), END))
    assert [one for delta in told for one in delta.get("images", ())] == expected


def test_the_probabilities_of_a_streams_tokens_come_with_them() -> None:
    result = {"chosenCandidates": [{"token": "Hi", "logProbability": -0.25}]}
    first, _ = streamed(answer({"text": "Hi"}, logprobsResult=result), END)
    assert first.choices[0]["logprobs"]["content"] == [
        {"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}
    ]


@pytest.mark.parametrize("name", ["citationSources", "citations"])  # Google AI's, Vertex AI's
def test_what_was_quoted_is_an_annotation(name: str) -> None:
    quoted = {"startIndex": 3, "endIndex": 5, "uri": "https://a.example", "license": "MIT"}
    cited = {name: [quoted, {**quoted, "title": "A"}, {"startIndex": 1, "endIndex": 2}]}
    place = {"url": "https://a.example", "start_index": 2, "end_index": 4}
    expected = [
        {"type": "url_citation", "url_citation": place},
        {"type": "url_citation", "url_citation": {**place, "title": "A"}},
    ]
    body = answer({"text": "é no"}, citationMetadata=cited, finishReason="STOP")
    assert decoded(body).choices[0]["message"]["annotations"] == expected
    assert deltas(streamed(body))[0]["annotations"] == expected


def test_when_an_answer_was_made_is_in_whole_seconds() -> None:
    for told, seconds in (
        ("2025-03-04T10:11:12.123456789Z", 1741083072), ("2025-03-04T10:11:12Z", 1741083072),
        ("1960-01-01T00:00:00Z", 0), ("yesterday", 0), (None, 0), ("2025-99-04T10:11:12.1Z", 0),
    ):  # fmt: skip
        body = {**answer({"text": "x"}, finishReason="STOP"), "createTime": told}
        assert decoded(body).created == seconds
        assert streamed(body)[0].created == seconds


def test_a_prompt_of_which_the_count_is_left_out_is_what_the_total_leaves_over() -> None:
    counts = {"candidatesTokenCount": 3.0, "thoughtsTokenCount": 2, "totalTokenCount": 17}
    more = {"promptTokensDetails": [None, {"modality": "TEXT", "tokenCount": 1}],
            "serviceTier": "priority"}  # fmt: skip
    usage = decoded({**answer({"text": "x"}), "usageMetadata": {**counts, **more}}).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (12, 5, 17)
    assert usage.extra == {"service_tier": "priority"}
    usage = decoded({**answer(), "usageMetadata": {"promptTokenCount": 4}}).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (4, 0, 4)
    assert decoded({**answer(), "usageMetadata": {"trafficType": "ON_DEMAND"}}).usage is None


@pytest.mark.parametrize(
    ("vendor", "number", "word"),
    [
        ("gemini", 6, "LANGUAGE"), ("gemini", 7, "BLOCKLIST"), ("gemini", 9, "SPII"),
        ("vertex", 6, "BLOCKLIST"), ("vertex", 8, "SPII"), ("vertex", 10, "MODEL_ARMOR"),
        ("vertex", 99, "99"),
    ],
)  # fmt: skip
def test_a_reason_by_number_is_that_of_the_service(vendor: str, number: int, word: str) -> None:
    body = answer({"text": "x"}, finishReason=number)
    (choice,) = decoded(body, target_of(vendor)).choices
    assert (choice["finish_reason"], choice["native_finish_reason"]) == ("content_filter", word)
    with pytest.raises(GatewayError):  # 10 is MALFORMED_FUNCTION_CALL at Google AI
        decoded(answer({"text": "x"}, finishReason=10))


def test_a_reason_that_says_nothing_ends_nothing() -> None:
    for unsaid in ("FINISH_REASON_UNSPECIFIED", 0, "", None):
        first, last = streamed(answer({"text": "x"}, finishReason=unsaid), END)
        assert first.choices[0]["finish_reason"] is None
        assert last.choices[0]["finish_reason"] == "stop"


def test_the_finish_reason_says_that_only_the_end_may_come() -> None:
    decoder = GEMINI.decoder(target_of("gemini"))
    for body, finished in ((answer({"text": "x"}), False), (END, True)):
        decoder.feed(b"data: " + json.dumps(body).encode() + b"\r\n\r\n")
        assert (decoder.finished, decoder.done) == (finished, False)
    decoder.close()
    assert decoder.done
    assert decoder.close() == ()


def test_an_error_in_a_list_within_a_stream_is_an_error() -> None:
    told = [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down"}}]
    with pytest.raises(GatewayError) as caught:
        streamed(told)
    assert caught.value.kind.type == "provider_rate_limited"


def test_an_array_that_breaks_off_is_cut() -> None:
    decoder = GEMINI.decoder(target_of("gemini"))
    decoder.feed(json.dumps([answer({"text": "x"}), END]).encode()[:-20])
    with pytest.raises(GatewayError) as caught:
        decoder.close()
    assert caught.value.kind.type == "upstream_cut"


def test_an_earlier_refusal_and_its_thoughts_are_what_the_model_said_then() -> None:
    refused = {"role": "assistant", "content": None, "refusal": "No.", "reasoning": "Hm."}
    asked = {"role": "user", "content": "x"}
    body = sent({"messages": [asked, refused, asked]}, target_of("gemini"))
    assert body["contents"][1] == {
        "role": "model",
        "parts": [{"text": "Hm.", "thought": True}, {"text": "No."}],
    }
