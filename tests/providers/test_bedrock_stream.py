"""Streams of Converse that no recording holds: made frame by frame."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse
from callgate.errors import GatewayError
from callgate.providers.bedrock.dialect import Bedrock
from eventframes import event, frame, text

from .samples import SECRET, target_of

DIALECT = Bedrock()
TARGET = target_of("bedrock")

START = event("messageStart", {"role": "assistant", "p": "ab"})
STOP = event("messageStop", {"stopReason": "end_turn"})
USAGE = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
METADATA = event("metadata", {"usage": USAGE, "metrics": {"latencyMs": 7}})


def delta(index: int, piece: dict[str, Any]) -> bytes:
    return event("contentBlockDelta", {"contentBlockIndex": index, "delta": piece, "p": "abc"})


def tool(index: int, id_: str, name: str, **more: str) -> bytes:
    start = {"toolUse": {"toolUseId": id_, "name": name, **more}}
    return event("contentBlockStart", {"contentBlockIndex": index, "start": start})


def end(index: int) -> bytes:
    return event("contentBlockStop", {"contentBlockIndex": index})


def decoded(*frames: bytes) -> Sequence[Chunk]:
    decoder = DIALECT.decoder(TARGET)
    chunks = [chunk for one in frames for chunk in decoder.feed(one)]
    return [*chunks, *decoder.close()]


def deltas(*frames: bytes) -> list[dict[str, Any]]:
    return [chunk.choices[0]["delta"] for chunk in decoded(START, *frames, STOP, METADATA)]


def failure(*frames: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        decoded(*frames)
    return caught.value


def test_the_role_comes_with_the_first_piece_and_the_usage_with_the_last() -> None:
    first, second, last = decoded(
        START, delta(0, {"text": "Hi"}), delta(0, {"text": "!"}), end(0), STOP, METADATA
    )
    assert first.choices[0]["delta"] == {"role": "assistant", "content": "Hi"}
    assert second.choices[0]["delta"] == {"content": "!"}
    assert (last.choices[0]["finish_reason"], last.choices[0]["native_finish_reason"]) == (
        "stop",
        "end_turn",
    )
    assert last.usage is not None
    assert last.usage.total_tokens == 5
    assert last.extra == {"metrics": {"latencyMs": 7}}


def test_parallel_calls_keep_their_places_and_one_without_arguments_has_an_empty_object() -> None:
    seen = deltas(
        delta(0, {"text": "Two at once."}),
        end(0),
        tool(1, "a", "weather"),
        tool(2, "b", "clock"),
        delta(2, {"toolUse": {"input": ""}}),
        delta(1, {"toolUse": {"input": '{"city"'}}),
        delta(1, {"toolUse": {"input": ':"Rom"}'}}),
        end(1),
        end(2),
    )
    calls: dict[int, dict[str, Any]] = {}
    for one in seen:
        for call in one.get("tool_calls", ()):
            known = calls.setdefault(call["index"], {"arguments": "", **call})
            known["arguments"] += call["function"]["arguments"]
    assert [(c["id"], c["function"]["name"], c["arguments"]) for c in calls.values()] == [
        ("a", "weather", '{"city":"Rom"}'),
        ("b", "clock", "{}"),
    ]


def test_reasoning_is_told_as_it_comes_and_its_signature_when_its_block_ends() -> None:
    hidden = base64.b64encode(b"EuQF").decode()
    seen = deltas(
        delta(0, {"reasoningContent": {"text": "Hm"}}),
        delta(0, {"reasoningContent": {"text": "."}}),
        delta(0, {"reasoningContent": {"signature": "si"}}),
        delta(0, {"reasoningContent": {"signature": "gn"}}),
        end(0),
        delta(1, {"text": "Yes"}),
        delta(2, {"reasoningContent": {"redactedContent": hidden}}),
        end(2),
    )
    assert "".join(one.get("reasoning_content", "") for one in seen) == "Hm."
    assert [one["reasoning_details"] for one in seen if "reasoning_details" in one] == [
        [{"type": "thinking", "thinking": "Hm.", "signature": "sign"}],
        [{"type": "redacted_thinking", "data": "EuQF", "after_text": 3}],
    ]


def test_the_providers_own_tools_are_no_calls_of_the_caller() -> None:
    result = {"toolResult": {"toolUseId": "s", "status": "success"}}
    seen = deltas(
        tool(0, "s", "nova_grounding", type="server_tool_use"),
        delta(0, {"toolUse": {"input": '{"query":"x"}'}}),
        end(0),
        event("contentBlockStart", {"contentBlockIndex": 1, "start": result}),
        delta(1, {"toolResult": [{"text": "found"}]}),
        end(1),
        delta(2, {"text": "So."}),
        delta(2, {"citation": {"location": {"web": {"url": "https://a.example", "domain": "a"}}}}),
        end(2),
    )
    assert not [one for one in seen if "tool_calls" in one]
    parts = [part for one in seen for part in one.get("content_parts", ())]
    assert parts[0]["toolUse"]["input"] == {"query": "x"}
    assert parts[1]["toolResult"]["content"] == [{"text": "found"}]
    (cited,) = [one["annotations"][0] for one in seen if "annotations" in one]
    assert cited["url_citation"].items() >= {
        "url": "https://a.example", "title": "a", "start_index": 0, "end_index": 3,
    }.items()  # fmt: skip


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_every_stop_reason_has_its_word(reason: str, finish: str) -> None:
    (chunk,) = decoded(START, event("messageStop", {"stopReason": reason}), METADATA)
    assert chunk.choices[0]["finish_reason"] == finish
    assert chunk.choices[0]["native_finish_reason"] == reason


@pytest.mark.parametrize("reason", ["malformed_model_output", "malformed_tool_use"])
def test_an_output_that_made_no_sense_is_no_answer(reason: str) -> None:
    error = failure(START, event("messageStop", {"stopReason": reason}))
    assert error.kind.type == "bad_upstream_reply"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("throttlingException", "provider_rate_limited"),
        ("validationException", "provider_rejected"),
        ("internalServerException", "provider_unavailable"),
        ("modelStreamErrorException", "provider_unavailable"),
        ("serviceUnavailableException", "provider_unavailable"),
        ("modelTimeoutException", "upstream_timeout"),
        ("brandNewException", "provider_unavailable"),
    ],
)
def test_an_exception_amid_a_stream_is_an_error_after_the_chunks_before_it(
    name: str, kind: str
) -> None:
    decoder = DIALECT.decoder(TARGET)
    data = START + delta(0, {"text": "Hi"}) + event(name, {"message": "no"}, kind="exception")
    assert [one.choices[0]["delta"]["content"] for one in decoder.feed(data)] == ["Hi"]
    with pytest.raises(GatewayError) as caught:
        decoder.feed(b"")
    assert caught.value.kind.type == kind
    assert not decoder.done


def test_an_error_frame_of_no_model_is_an_error() -> None:
    headers = [
        text(":message-type", "error"),
        text(":error-code", "ThrottlingException"),
        text(":error-message", f"slow down {SECRET}"),
    ]
    error = failure(frame(headers, b""))
    assert error.kind.type == "provider_rate_limited"
    assert SECRET not in str(error.detail)


def test_unknown_events_are_passed_over() -> None:
    assert deltas(
        event("novelty", {"a": 1}), delta(0, {"novelty": 1}), delta(0, {"text": "x"})
    ) == [
        {"role": "assistant", "content": "x"},
        {},
    ]


def test_what_is_kept_for_an_hour_is_told_apart() -> None:
    rows = [{"ttl": "1h", "inputTokens": 7}, {"ttl": "5m", "inputTokens": 2}, 3, {"ttl": "1h"}]
    usage = {**USAGE, "cacheWriteInputTokens": 9, "cacheDetails": rows}
    *_, last = decoded(START, delta(0, {"text": "a"}), STOP, event("metadata", {"usage": usage}))
    assert last.usage is not None
    assert last.usage.input_details == {"cache_write_tokens": 9, "cache_write_1h_tokens": 7}


def test_an_end_without_its_usage_is_still_an_end() -> None:
    *_, last = decoded(START, delta(0, {"text": "x"}), STOP)
    assert last.choices[0]["finish_reason"] == "stop"
    assert last.usage is None
    broken = bytearray(METADATA)
    broken[-1] ^= 1
    *_, last = decoded(START, delta(0, {"text": "x"}), STOP + bytes(broken))
    assert last.choices[0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    "frames",
    [
        (),
        (START,),
        (START, delta(0, {"text": "x"})),
        (START, delta(0, {"text": "x"}), STOP[:-1]),
        (START, METADATA),
    ],
)
def test_a_stream_without_its_end_is_cut(frames: tuple[bytes, ...]) -> None:
    assert failure(*frames).kind.type == "upstream_cut"


@pytest.mark.parametrize(
    "data",
    [b"<html><body>Bad gateway</body></html>", b"{}", b'{"message":"x"}', b"\x00" * 40],
)
def test_what_is_no_event_stream_is_a_bad_reply(data: bytes) -> None:
    error = failure(data)
    assert error.kind.type == "bad_upstream_reply"


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        {"contentBlockIndex": 0},
        {"delta": {"text": "x"}},
        {"contentBlockIndex": 0, "delta": {"text": 7}},
        {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}},
        {"contentBlockIndex": -1, "delta": {}},
    ],
)
def test_an_event_of_the_wrong_shape_is_a_bad_reply(body: Any) -> None:
    error = failure(START, event("contentBlockDelta", body))
    assert error.kind.type == "bad_upstream_reply"


def test_an_event_that_is_no_json_is_skipped_and_counted() -> None:
    decoder = DIALECT.decoder(TARGET)
    garbled = event("contentBlockDelta", b"{")
    sound = [START, delta(0, {"text": "Hi"}), garbled, end(0), STOP, METADATA]
    chunks = [chunk for piece in sound for chunk in decoder.feed(piece)]
    assert (decoder.skipped, decoder.done, len(chunks)) == (1, True, 2)
    assert failure(START, *[garbled] * 4).kind.type == "bad_upstream_reply"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "contentBlockIndex", "delta", "start", "text", "toolUse", "toolResult", "input",
                    "name", "toolUseId", "type", "reasoningContent", "signature", "citation",
                    "redactedContent", "location", "web", "url", "stopReason", "usage", "message",
                    "inputTokens", "serviceTier", "output", "content", "citationsContent",
                    "citations", "reasoningText",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)  # fmt: skip
EVENTS = st.tuples(
    st.sampled_from(
        [
            "messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop",
            "messageStop", "metadata", "validationException",
        ]
    ),
    st.sampled_from(["event", "exception", "other"]),
    JSON,
)  # fmt: skip


@given(st.lists(EVENTS, max_size=6), st.binary(max_size=20))
def test_no_stream_raises_anything_but_a_gateway_error(
    events: list[tuple[str, str, Any]], rest: bytes
) -> None:
    decoder = DIALECT.decoder(TARGET)
    data = b"".join(event(name, body, kind=kind) for name, kind, body in events) + rest
    try:
        decoder.feed(data)
        decoder.close()
    except GatewayError as error:
        assert error.kind.status != 500  # noqa: PT017 - it may also be whole
    else:
        assert decoder.done


@given(JSON | st.fixed_dictionaries({"output": JSON, "stopReason": JSON, "usage": JSON}))
def test_no_answer_raises_anything_but_a_gateway_error(body: Any) -> None:
    for whole in (body, {"output": {"message": {"content": [body]}}, "stopReason": "end_turn"}):
        response = HttpResponse(200, {}, json.dumps(whole).encode())
        try:
            DIALECT.decode(response, TARGET)
        except GatewayError as error:
            assert error.kind.type == "bad_upstream_reply"  # noqa: PT017 - it may also be whole


@given(st.integers(400, 599), st.text(max_size=60), JSON | st.binary(max_size=40))
def test_every_error_is_told_whatever_it_holds(status: int, class_: str, body: Any) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    error = DIALECT.error(HttpResponse(status, {"x-amzn-errortype": class_}, data), TARGET)
    assert error.kind.status != 500
