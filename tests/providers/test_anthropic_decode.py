"""Whole answers in the Anthropic dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.core.http import HttpResponse
from callgate.core.response import ChatResponse
from callgate.core.target import Target
from callgate.errors import GatewayError
from callgate.providers.anthropic.dialect import Anthropic

from .samples import SECRET, target_of

TEXT = {"type": "text", "text": "hi"}
SOUND: dict[str, Any] = {
    "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": [TEXT],
    "stop_reason": "end_turn", "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 4},
}  # fmt: skip


@pytest.fixture
def target() -> Target:
    return target_of("anthropic")


def decoded(target: Target, body: Any) -> ChatResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Anthropic().decode(HttpResponse(200, {}, data), target)


def answer(target: Target, **changes: Any) -> ChatResponse:
    return decoded(target, {**SOUND, **changes})


def test_a_plain_answer_becomes_one_choice(target: Target) -> None:
    made = answer(target)
    assert (made.id, made.model, made.extra) == ("msg_1", "claude-x", {})
    assert made.choices == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "hi"},
            "logprobs": None,
            "finish_reason": "stop",
            "native_finish_reason": "end_turn",
        }
    ]


@pytest.mark.parametrize(
    ("native", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_stop_reasons_become_openais_and_keep_anthropics_word(
    target: Target, native: str, finish: str
) -> None:
    (choice,) = answer(target, stop_reason=native).choices
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (finish, native)


def test_why_it_stopped_is_kept(target: Target) -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": None}
    (choice,) = answer(target, stop_reason="refusal", stop_details=details).choices
    assert choice["stop_details"] == details
    (choice,) = answer(target, stop_reason="stop_sequence", stop_sequence="END").choices
    assert choice["stop_sequence"] == "END"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ([], ""),
        ([TEXT, TEXT], "hihi"),
        ([{"type": "tool_use", "id": "t", "name": "f", "input": {}}], None),
    ],
)
def test_content_is_text_and_null_only_beside_calls(
    target: Target, content: Any, text: str | None
) -> None:
    assert answer(target, content=content).choices[0]["message"]["content"] == text


def test_thoughts_say_where_they_stood(target: Target) -> None:
    call = {"type": "tool_use", "id": "t", "name": "f", "input": {}}
    thought = {"type": "thinking", "thinking": "a", "signature": "s"}
    hidden = {"type": "redacted_thinking", "data": "d"}
    message = answer(target, content=[thought, TEXT, hidden, call, thought]).choices[0]["message"]
    assert message["reasoning_content"] == "aa"
    assert message["reasoning_details"] == [
        thought, {**hidden, "after_text": 2}, {**thought, "after_text": 2, "after_tools": 1},
    ]  # fmt: skip


def test_citations_become_annotations(target: Target) -> None:
    web = {
        "type": "web_search_result_location", "url": "https://x.example", "title": "X",
        "cited_text": "c", "encrypted_index": "e",
    }  # fmt: skip
    page = {
        "type": "page_location", "document_title": None, "document_index": 0, "cited_text": "c",
        "start_page_number": 1, "end_page_number": 2,
    }  # fmt: skip
    content = [TEXT, {**TEXT, "citations": [web, page]}, {**TEXT, "citations": None}]
    one, two = answer(target, content=content).choices[0]["message"]["annotations"]
    assert one["type"] == "url_citation"
    assert one["url_citation"].items() >= {
        "url": "https://x.example", "title": "X", "start_index": 2, "end_index": 4,
    }.items()  # fmt: skip
    assert two["type"] == "file_citation"
    assert two["file_citation"] == {
        "location": "page_location", "document_index": 0, "cited_text": "c",
        "start_page_number": 1, "end_page_number": 2, "start_index": 2, "end_index": 4,
    }  # fmt: skip


def test_usage_counts_the_cache_as_input(target: Target) -> None:
    usage = answer(target, usage={
        "input_tokens": 3, "output_tokens": 40, "cache_read_input_tokens": 100,
        "cache_creation_input_tokens": 20, "service_tier": "priority",
        "output_tokens_details": {"thinking_tokens": 30}, "server_tool_use": {"web_search": 1},
        "inference_geo": None,
    }).usage  # fmt: skip
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (123, 40, 163)
    assert usage.input_details == {"cached_tokens": 100, "cache_write_tokens": 20}
    assert usage.output_details == {"reasoning_tokens": 30}
    assert usage.extra == {"service_tier": "priority", "server_tool_use": {"web_search": 1}}


def test_what_is_kept_for_an_hour_is_told_apart(target: Target) -> None:
    kept = {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 15}
    counts = {"input_tokens": 3, "output_tokens": 4, "cache_creation_input_tokens": 20}
    usage = answer(target, usage={**counts, "cache_creation": kept}).usage
    assert usage is not None
    assert usage.input_details == {"cache_write_tokens": 20, "cache_write_1h_tokens": 15}
    assert usage.extra == {"cache_creation": kept}


@pytest.mark.parametrize("usage", [None, 3, {}, {"input_tokens": -1}, {"input_tokens": "3"}])
def test_usage_that_is_none_is_none(target: Target, usage: Any) -> None:
    assert answer(target, usage=usage).usage is None


@pytest.mark.parametrize(
    ("native", "ours"), [("standard", "default"), ("priority", "priority"), ("batch", None)]
)
def test_the_service_tier_is_told_in_openais_words(
    target: Target, native: str, ours: str | None
) -> None:
    made = answer(target, usage={"input_tokens": 1, "output_tokens": 1, "service_tier": native})
    assert made.extra.get("service_tier") == ours


@pytest.mark.parametrize("unsigned", [{}, {"signature": None}, {"signature": ""}])
def test_other_makers_thoughts_are_not_signed(target: Target, unsigned: dict[str, Any]) -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", **unsigned},
        {"type": "tool_use", "id": "t", "name": "f"},
    ]
    message = answer(target, content=blocks).choices[0]["message"]
    assert message["reasoning_content"] == "hm"
    assert message["reasoning_details"] == [{"type": "thinking", "thinking": "hm", "signature": ""}]
    assert message["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>no</html>",
        b'{"id": "msg_1", "content": [',
        [],
        {},
        {**SOUND, "content": None},
        {**SOUND, "content": "hi"},
        {**SOUND, "content": ["hi"]},
        {**SOUND, "content": [{"type": "text"}]},
        {**SOUND, "content": [{"type": "text", "text": 3}]},
        {**SOUND, "content": [{"type": "tool_use", "id": "", "name": "f", "input": {}}]},
        {**SOUND, "content": [{"type": "tool_use", "id": "t", "name": "f", "input": "{}"}]},
        {**SOUND, "content": [{"type": "thinking", "thinking": None, "signature": "s"}]},
        {**SOUND, "stop_reason": None},
        {**SOUND, "stop_reason": 3},
    ],
)
def test_what_is_no_sound_answer_is_a_bad_reply(target: Target, body: Any) -> None:
    with pytest.raises(GatewayError) as error:
        decoded(target, body)
    assert error.value.kind.type == "bad_upstream_reply"


def test_an_error_with_status_200_is_an_error(target: Target) -> None:
    body = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    with pytest.raises(GatewayError) as error:
        decoded(target, body)
    assert error.value.kind.type == "provider_unavailable"


def test_a_secret_in_a_bad_reply_is_not_kept(target: Target) -> None:
    with pytest.raises(GatewayError) as error:
        decoded(target, f"<html>{SECRET}</html>".encode())
    assert SECRET not in str(error.value.detail)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.just("text")
    | st.sampled_from(["tool_use", "thinking", "redacted_thinking", "end_turn"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["type", "text", "id", "name", "input", "citations", "usage", "content",
                         "thinking", "signature", "data", "service_tier", "error"]), inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SOUND)), JSON), st.lists(JSON, max_size=3))
def test_no_shape_of_answer_breaks_the_decoder(changes: dict[str, Any], content: list[Any]) -> None:
    target = target_of("anthropic")
    try:
        made = decoded(target, {**SOUND, "content": content, **changes})
    except GatewayError:
        return
    assert isinstance(made.choices[0]["finish_reason"], str)


def test_which_thoughts_were_left_out_is_told(target: Target) -> None:
    dropped = [{"type": "thinking_dropped", "path": "messages.1.content.0"}]
    assert answer(target, input_transformations=dropped).extra["input_transformations"] == dropped
    assert answer(target, input_transformations=[]).extra == {}
