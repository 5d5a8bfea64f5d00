"""Answers of OpenAI's Responses API, whole and streamed."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.accumulator import Accumulator
from callgate.core.chat import Chunk
from callgate.core.http import HttpResponse
from callgate.core.response import ChatResponse
from callgate.errors import GatewayError
from responseitems import USAGE, answer, call, event, events_of, message, thought

from .responses_wire import DIALECT, TARGET, decoded, judge_events, streamed

CALLING = answer(
    thought("gAAA", "**Looking**", "Oslo it is."),
    message("Let me look.", phase="commentary"),
    call(),
    thought("gBBB", id_="rs_2"),
    call("call_2", "{}", "clock"),
)
SAYING = answer(
    message("I looked.", phase="commentary"),
    thought("gCCC"),
    message("It is ", "sunny: 20 °C 🌤", phase="final_answer"),
)
REFUSING = answer(message(refusal="I cannot help with that."))
CUT = answer(
    thought(), status="incomplete", incomplete_details={"reason": "max_output_tokens"}
)  # fmt: skip
FILTERED = answer(
    message("Well"), status="incomplete", incomplete_details={"reason": "content_filter"}
)
EMPTY = answer()
WHOLE = {
    "calling": CALLING, "saying": SAYING, "refusing": REFUSING, "cut": CUT, "filtered": FILTERED,
    "empty": EMPTY,
}  # fmt: skip


def gathered(chunks: list[Chunk]) -> ChatResponse:
    gatherer = Accumulator()
    gatherer.take(chunks)
    return gatherer.answer()


def told(whole: ChatResponse) -> dict[str, Any]:
    (choice,) = whole.choices
    return dict(choice["message"])


def failure(*pieces: bytes) -> GatewayError:
    with pytest.raises(GatewayError) as caught:
        streamed(*pieces)
    return caught.value


@pytest.mark.parametrize("name", WHOLE)
def test_the_answers_here_are_openais(name: str) -> None:
    from openai.types.responses import Response

    Response.model_validate(WHOLE[name])
    judge_events(events_of(WHOLE[name]))


def test_calls_thoughts_and_words_have_their_places() -> None:
    whole = decoded(CALLING)
    assert told(whole) == {
        "role": "assistant",
        "content": "Let me look.",
        "reasoning_content": "**Looking**\n\nOslo it is.",
        "reasoning_details": [
            {
                "type": "reasoning",
                "encrypted_content": "gAAA",
                "summary": CALLING["output"][0]["summary"],
                "provider": "openai",
            },
            {"type": "message", "phase": "commentary"},
            {
                "type": "reasoning", "encrypted_content": "gBBB", "summary": [],
                "provider": "openai", "after_text": 12, "after_tools": 1,
            },
        ],
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "weather", "arguments": '{"city":"Oslo"}'},
            },
            {
                "id": "call_2",
                "type": "function",
                "function": {"name": "clock", "arguments": "{}"},
            },
        ],
    }  # fmt: skip
    assert whole.choices[0]["finish_reason"] == "tool_calls"
    assert whole.choices[0]["native_finish_reason"] == "completed"
    assert (whole.id, whole.created, whole.model) == (
        "resp_1", 1_790_000_000, "gpt-6-sol-2026-09-22",
    )  # fmt: skip
    assert whole.extra == {"service_tier": "default"}


def test_messages_are_parted_and_their_beginnings_told() -> None:
    message = told(decoded(SAYING))
    assert message["content"] == "I looked.\n\nIt is sunny: 20 °C 🌤"
    assert message["reasoning_details"][1:] == [
        {
            "type": "reasoning", "encrypted_content": "gCCC", "summary": [],
            "provider": "openai", "after_text": 9,
        },
        {"type": "message", "phase": "final_answer", "after_text": 11},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "finish", "native", "content"),
    [
        ("saying", "stop", "completed", "I looked.\n\nIt is sunny: 20 °C 🌤"),
        ("refusing", "stop", "completed", None),
        ("cut", "length", "max_output_tokens", ""),
        ("filtered", "content_filter", "content_filter", "Well"),
        ("empty", "stop", "completed", ""),
    ],
)
def test_an_end_is_told(name: str, finish: str, native: str, content: str | None) -> None:
    (choice,) = decoded(WHOLE[name]).choices
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (finish, native)
    assert choice["message"]["content"] == content
    assert choice["message"].get("refusal") == (
        "I cannot help with that." if name == "refusing" else None
    )


def test_usage_has_its_details() -> None:
    usage = decoded(SAYING).usage
    assert usage is not None
    assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (20, 12, 32)
    assert usage.input_details == USAGE["input_tokens_details"]
    assert usage.output_details == {"reasoning_tokens": 7}


def test_a_citation_counts_from_the_contents_beginning() -> None:
    cited = message("See here.")
    note = {"url": "https://a.example", "title": "A", "start_index": 4, "end_index": 8}
    others = {"type": "file_citation", "file_id": "f", "filename": "f", "index": 1}
    cited["content"][0]["annotations"] = [{"type": "url_citation", **note}, others]
    whole = told(decoded(answer(message("Look."), cited)))
    (one,) = whole["annotations"]
    place = one["url_citation"]
    assert whole["content"][place["start_index"] : place["end_index"]] == "here"
    assert note["start_index"] == 4


def test_openais_sdk_reads_what_callers_get() -> None:
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

    for whole in WHOLE.values():
        plain = decoded(whole)
        body = {"id": "x", "object": "chat.completion", "created": 1, "model": "m"}
        ChatCompletion.model_validate({**body, "choices": plain.choices})
        for chunk in streamed(*events_of(whole)):
            frame = {**body, "object": "chat.completion.chunk", "choices": chunk.choices}
            ChatCompletionChunk.model_validate(frame)


# --- streams --------------------------------------------------------------------------------------


def same(chunks: list[Chunk], whole: dict[str, Any]) -> None:
    """A stream and the whole answer say the same."""
    one, other = gathered(chunks), decoded(whole)
    gotten = told(one)
    gotten["content"] = gotten["content"] or told(other)["content"]  # null and "" are told alike
    for number, entry in enumerate(gotten.get("tool_calls", ())):
        assert entry.pop("index", number) == number
    assert gotten == told(other)
    assert one.choices[0]["finish_reason"] == other.choices[0]["finish_reason"]
    assert chunks[-1].usage == other.usage
    assert chunks[-1].extra == other.extra
    assert {(chunk.id, chunk.created, chunk.model) for chunk in chunks} == {
        (other.id, other.created, other.model)
    }


# So few bytes that the stream can be cut at each.
BRIEF = {
    name: value
    for name, value in answer(thought("g"), message("°", phase="commentary"), call("c")).items()
    if name in ("id", "created_at", "model", "status", "output", "usage")
}


def test_a_stream_that_comes_in_two_reads_is_the_whole_answer() -> None:
    data = b"".join(events_of(BRIEF))
    for at in range(len(data) + 1):
        same(list(streamed(data[:at], data[at:])), BRIEF)


@pytest.mark.parametrize("name", WHOLE)
def test_a_stream_of_single_bytes_is_the_whole_answer(name: str) -> None:
    data = b"".join(events_of(WHOLE[name]))
    same(list(streamed(*(data[at : at + 1] for at in range(len(data))))), WHOLE[name])


def test_a_stream_that_ends_anywhere_before_its_end_is_cut() -> None:
    data = b"".join(events_of(BRIEF)).rstrip()  # without the blank line it is whole, too
    for at in range(len(data)):
        assert failure(data[:at]).kind.type == "upstream_cut"
    same(list(streamed(data)), BRIEF)


TEXTS = st.text(max_size=5)
ITEMS = st.one_of(
    st.builds(thought, st.sampled_from([None, "", "gAAA"]), TEXTS, TEXTS),
    st.builds(thought),
    st.builds(message, TEXTS, TEXTS, phase=st.sampled_from([None, "commentary", "final_answer"])),
    st.builds(message, refusal=TEXTS),
    st.builds(call, arguments=st.sampled_from(["", "{}", '{"a": 1}'])),
)


@given(st.lists(ITEMS, max_size=5), st.integers(1, 200))
def test_any_items_are_the_same_streamed_and_whole(items: list[dict[str, Any]], size: int) -> None:
    whole = answer(*items)
    data = b"".join(events_of(whole))
    same(list(streamed(*(data[at : at + size] for at in range(0, len(data), size)))), whole)


def test_a_server_that_tells_items_without_their_pieces_tells_as_much() -> None:
    pieces = [one for one in events_of(CALLING) if b".delta" not in one.partition(b"\n")[0]]
    same(list(streamed(*pieces)), CALLING)


def test_nothing_after_the_end_counts() -> None:
    late = event("response.output_text.delta", output_index=0, delta="more")
    same(list(streamed(b"".join([*events_of(SAYING), b"data: [DONE]\n\n", late]))), SAYING)


def test_what_says_nothing_makes_no_chunk_before_the_answer_does() -> None:
    begun = events_of(SAYING)[:3]
    assert not list(DIALECT.decoder(TARGET).feed(b"".join(begun)))


BEGUN = events_of(CALLING)[0]
ADDED = event("response.output_item.added", output_index=0, item={**call(), "arguments": ""})
PIECE = event("response.function_call_arguments.delta", output_index=0, delta='{"city"')
DONE = event("response.output_item.done", output_index=0, item=call())
END = event("response.completed", response=answer(call()))
SAID = events_of(SAYING)[0:5]


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((), "upstream_cut"),
        ((BEGUN,), "upstream_cut"),
        ((BEGUN, b"data: [DONE]\n\n"), "upstream_cut"),
        ((BEGUN, ADDED, PIECE), "upstream_cut"),
        ((BEGUN, ADDED, PIECE, END), "bad_upstream_reply"),
        ((BEGUN, END), "bad_upstream_reply"),
        ((BEGUN, PIECE), "bad_upstream_reply"),
        ((BEGUN, ADDED, ADDED), "bad_upstream_reply"),
        ((BEGUN, ADDED, b"data: {\n\n"), "bad_upstream_reply"),
        ((BEGUN, event("response.output_item.added", output_index=0)), "bad_upstream_reply"),
        ((BEGUN, event("response.output_item.added", item=call())), "bad_upstream_reply"),
        ((BEGUN, event("response.completed")), "bad_upstream_reply"),
        ((event("response.completed", response=answer(status="queued")),), "bad_upstream_reply"),
        ((b"<html>502</html>",), "bad_upstream_reply"),
        ((b'{"a":1}',), "bad_upstream_reply"),
        ((b'{"error":{"message":"no","code":"rate_limit_exceeded"}}',), "provider_rate_limited"),
        ((b"data: {\n\n" * 4,), "bad_upstream_reply"),
    ],
)
def test_what_is_no_whole_answer_is_none(pieces: tuple[bytes, ...], kind: str) -> None:
    assert failure(*pieces).kind.type == kind


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", "provider_unavailable"),
        ("rate_limit_exceeded", "provider_rate_limited"),
        ("invalid_prompt", "content_filtered"),
        ("bio_policy", "content_filtered"),
        ("invalid_image_url", "provider_rejected"),
        ("context_length_exceeded", "context_too_long"),
        ("something_new", "bad_upstream_reply"),
    ],
)
def test_a_failure_within_the_stream_is_told(code: str, kind: str) -> None:
    told = {"code": code, "message": "their words"}
    failed = event("response.failed", response=answer(status="failed", error=told))
    shapes = (
        failed,
        event("error", **told, param=None),
        event("error", error={"type": "x", **told}),
        event("response.failed", response={"status": "failed", "error": told}),
    )
    for shape in shapes:
        assert failure(BEGUN, shape).kind.type == kind
    judge_events([failed] if kind not in ("bad_upstream_reply", "context_too_long") else [])
    assert failure(event("response.failed", response={})).kind.type == "bad_upstream_reply"


def test_what_was_said_before_a_failure_is_not_lost() -> None:
    decoder = DIALECT.decoder(TARGET)
    failed = event("error", code="server_error", message="x", param=None)
    chunks = decoder.feed(b"".join([*SAID, failed]))
    assert gathered(list(chunks)).choices[0]["message"]["content"] == "I lo"
    with pytest.raises(GatewayError) as caught:
        decoder.feed(b"")
    assert caught.value.kind.type == "provider_unavailable"


# --- whole answers that are none ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>", "bad_upstream_reply"),
        (b"[]", "bad_upstream_reply"),
        (b"{}", "bad_upstream_reply"),
        (answer(status="in_progress"), "bad_upstream_reply"),
        (answer(status="cancelled"), "bad_upstream_reply"),
        (answer(status="failed"), "bad_upstream_reply"),
        (
            answer(status="failed", error={"code": "server_error", "message": "x"}),
            "provider_unavailable",
        ),
        (answer({"type": "message", "content": "x"}), "bad_upstream_reply"),
        (answer({"type": "function_call", "call_id": "c"}), "bad_upstream_reply"),
        (answer({"type": "function_call", "name": "f"}), "bad_upstream_reply"),
        ({**answer(), "output": {}}, "bad_upstream_reply"),
        ({**answer(), "output": ["x"]}, "bad_upstream_reply"),
    ],
)
def test_a_whole_answer_that_is_none_is_refused(body: Any, kind: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(GatewayError) as caught:
        DIALECT.decode(HttpResponse(200, {}, data), TARGET)
    assert caught.value.kind.type == kind


def test_more_calls_than_can_be_are_refused() -> None:
    with pytest.raises(GatewayError):
        decoded(answer(*[call(f"c{number}") for number in range(513)]))


def test_items_that_nobody_asked_for_are_passed_over() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed"}
    assert told(decoded(answer(search, message("Hi"))))["content"] == "Hi"


def test_an_error_of_status_400_is_openais() -> None:
    error = {"message": "no", "type": "invalid_request_error", "param": "input", "code": None}
    body = json.dumps({"error": error}).encode()
    refused = DIALECT.error(HttpResponse(400, {}, body), TARGET)
    assert (refused.kind.type, refused.param) == ("provider_rejected", "input")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=4,
)


@given(st.data())
def test_no_nonsense_raises_anything_but_an_error_of_the_taxonomy(data: st.DataObject) -> None:
    pieces = list(events_of(CALLING))
    at = data.draw(st.integers(0, len(pieces) - 1))
    body = json.loads(pieces[at].partition(b"data: ")[2])
    inside = body.get("response") or body.get("item") or body
    inside[data.draw(st.sampled_from(sorted(inside)))] = data.draw(JSON)
    pieces[at] = b"data: " + msgspec.json.encode(body) + b"\n\n"
    whole = {**CALLING, data.draw(st.sampled_from(sorted(CALLING))): data.draw(JSON)}
    for attempt in (lambda: streamed(*pieces), lambda: decoded(whole)):
        try:
            attempt()
        except GatewayError as error:
            assert error.kind.type in ("bad_upstream_reply", "upstream_cut")  # noqa: PT017
