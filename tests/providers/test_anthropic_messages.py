"""OpenAI's messages as the turns of the Messages API."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from callgate.errors import GatewayError

from .anthropic_wire import request, sent

PNG = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQ="
CACHE = {"type": "ephemeral"}
SYSTEM, USER, ASSISTANT = (
    {"role": role, "content": role[0]} for role in ("system", "user", "assistant")
)
NEW = "claude-opus-5"


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


def call(id_: str, arguments: str = '{"a": 1}', name: str = "f") -> dict[str, Any]:
    return {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}


def use(id_: str, given: dict[str, Any], name: str = "f") -> dict[str, Any]:
    return {"type": "tool_use", "id": id_, "name": name, "input": given}


def turns(*messages: dict[str, Any], model: str = "claude-sonnet-4-5") -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = sent({"messages": list(messages)}, model)["messages"]
    return made


def blocks(*content: Any) -> list[dict[str, Any]]:
    (turn,) = turns({"role": "user", "content": list(content)})
    made: list[dict[str, Any]] = turn["content"]
    return made


# --- roles --------------------------------------------------------------------------------------


def test_system_and_developer_messages_become_the_system_prompt() -> None:
    body = sent({"messages": [SYSTEM, {"role": "developer", "content": [text("d")]}, USER]})
    assert body["system"] == [text("s"), text("d")]
    assert body["messages"] == [{"role": "user", "content": [text("u")]}]


def test_turns_of_the_same_role_are_one_turn() -> None:
    assert turns(USER, USER, ASSISTANT, ASSISTANT, USER) == [
        {"role": "user", "content": [text("u"), text("u")]},
        {"role": "assistant", "content": [text("a"), text("a")]},
        {"role": "user", "content": [text("u")]},
    ]


def test_an_assistants_last_turn_goes_on_as_it_is() -> None:
    assert turns(USER, {**ASSISTANT, "prefix": True})[-1] == {
        "role": "assistant",
        "content": [text("a")],
    }


@pytest.mark.parametrize(
    ("model", "messages", "roles", "system"),
    [
        # Where the model takes none amid the conversation, authority counts more than place.
        ("claude-sonnet-4-5", [SYSTEM, USER, SYSTEM, ASSISTANT, USER], "uau", 2),
        # Elsewhere it stands behind a user turn, which is where the API wants it.
        (NEW, [SYSTEM, USER, SYSTEM, ASSISTANT, USER], "usau", 1),
        (NEW, [USER, ASSISTANT, SYSTEM, USER, ASSISTANT, USER], "uausau", 0),
        (NEW, [USER, ASSISTANT, USER, SYSTEM], "uaus", 0),
        (NEW, [USER, SYSTEM, SYSTEM, USER], "us", 0),
        (NEW, [USER, ASSISTANT, SYSTEM, ASSISTANT], "ua", 1),
    ],
)
def test_a_system_message_amid_the_conversation_keeps_its_authority(
    model: str, messages: list[dict[str, Any]], roles: str, system: int
) -> None:
    body = sent({"messages": messages}, model)
    assert "".join(turn["role"][0] for turn in body["messages"]) == roles
    assert len(body.get("system", ())) == system
    given = sum(message["role"] == "system" for message in messages)
    kept = [b for turn in body["messages"] if turn["role"] == "system" for b in turn["content"]]
    assert len(kept) + system == given


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({**ASSISTANT, "audio": {"id": "x"}}, "messages[0].audio"),
        ({"role": "system", "content": [{"type": "image_url", "image_url": {"url": PNG}}]},
         "messages[0].content"),
        ({"role": "function", "name": "f", "content": "r"}, "messages[0].name"),
        ({"role": "user", "content": [text("x"),
          {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}]},
         "messages[0].content[1].input_audio"),
        ({"role": "assistant", "tool_calls": [call("c", "{")]},
         "messages[0].tool_calls[0].function.arguments"),
        ({"role": "assistant", "tool_calls": [call("c", "[1]")]},
         "messages[0].tool_calls[0].function.arguments"),
        ({"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {}}]},
         "messages[0].tool_calls[0].type"),
        ({**USER, "mood": "good"}, "messages[0].mood"),
    ],
)  # fmt: skip
def test_what_has_no_place_in_a_turn_is_refused_by_its_path(
    message: dict[str, Any], param: str
) -> None:
    with pytest.raises(GatewayError) as error:
        request({"messages": [message, USER]})
    assert (error.value.kind.type, error.value.param) == ("unsupported_field", param)


# --- parts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (text("x", cache_control=CACHE), text("x", cache_control=CACHE)),
        ({"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "auto"}},
         {"type": "image", "source": {"type": "url", "url": "https://x.example/a.png"}}),
        ({"type": "image_url", "image_url": PNG, "cache_control": CACHE},
         {"type": "image", "cache_control": CACHE, "source": {
             "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}),
        ({"type": "file", "file": {"file_data": PDF, "filename": "a.pdf"}},
         {"type": "document", "title": "a.pdf", "source": {
             "type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}}),
        ({"type": "file", "file": {"file_data": "JVBERi0xLjQ=", "citations": {"enabled": True}}},
         {"type": "document", "citations": {"enabled": True}, "source": {
             "type": "base64", "media_type": "application/pdf", "data": "JVBERi0xLjQ="}}),
        ({"type": "file", "file": {"file_url": "https://x.example/a.pdf"}},
         {"type": "document", "source": {"type": "url", "url": "https://x.example/a.pdf"}}),
        ({"type": "file", "file": {"file_data": "https://x.example/a.pdf", "filename": "a"}},
         {"type": "document", "title": "a",
          "source": {"type": "url", "url": "https://x.example/a.pdf"}}),
        ({"type": "file", "file": {
            "file_data": "data:text/plain;charset=utf-8;base64,"
            + base64.b64encode("héllo".encode()).decode()}},
         {"type": "document",
          "source": {"type": "text", "media_type": "text/plain", "data": "héllo"}}),
        ({"type": "file", "file": {"file_data": PNG, "filename": "a.png"}},
         {"type": "image", "source": {
             "type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}}),
    ],
)  # fmt: skip
def test_parts_become_blocks(part: dict[str, Any], block: dict[str, Any]) -> None:
    assert blocks(text("look"), part) == [text("look"), block]


def test_an_uploaded_file_asks_for_the_feature() -> None:
    part = {"type": "file", "file": {"file_id": "file_011"}}
    made = request({"messages": [{"role": "user", "content": [part]}]})
    assert dict(made.headers)["anthropic-beta"] == "files-api-2025-04-14"
    source = {"type": "file", "file_id": "file_011"}
    assert blocks(part) == [{"type": "document", "source": source}]


@pytest.mark.parametrize(
    ("part", "within"),
    [
        ({"type": "image_url", "image_url": {"url": PNG, "detail": "high"}}, "image_url.detail"),
        ({"type": "image_url", "image_url": {"url": PNG, "format": "x"}}, "image_url.format"),
        ({"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AA"}}, "image_url.url"),
        ({"type": "image_url", "image_url": {"url": "data:image/png,AA"}}, "image_url.url"),
        ({"type": "file", "file": {"file_data": "data:text/html;base64,AA"}}, "file.file_data"),
        ({"type": "file", "file": {"file_data": "data:text/plain;base64,!"}}, "file.file_data"),
        ({"type": "file", "file": {"file_data": 3}}, "file.file_data"),
        ({"type": "file", "file": {"filename": "a"}}, "file"),
        ({"type": "file", "file": {"file_id": "x", "pages": 3}}, "file.pages"),
    ],
)
def test_media_that_claude_cannot_take_is_refused_by_its_path(
    part: dict[str, Any], within: str
) -> None:
    with pytest.raises(GatewayError) as error:
        request({"messages": [{"role": "user", "content": [part, text("x")]}]})
    assert error.value.param == f"messages[0].content[0].{within}"


def test_text_without_a_visible_character_is_left_out() -> None:
    assert turns(
        {"role": "user", "content": [text(""), text("u"), text(" \n")]},
        {"role": "assistant", "content": ""},
        {"role": "user", "content": "v"},
    ) == [{"role": "user", "content": [text("u"), text("v")]}]


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_a_messages_own_cache_mark_stands_on_its_last_block(role: str) -> None:
    message = {"role": role, "content": [text("x"), text("y")], "cache_control": CACHE}
    body = sent({"messages": [message, USER] if role == "system" else [USER, message]})
    made = body["system"] if role == "system" else body["messages"][-1]["content"]
    assert made[-2:] == [text("x"), text("y", cache_control=CACHE)]


def test_a_mark_on_text_without_a_word_stands_on_what_precedes_it() -> None:
    blank = {"type": "text", "text": " ", "cache_control": CACHE}
    made = turns({"role": "user", "content": [text("x"), blank]})
    assert made == [{"role": "user", "content": [text("x", cache_control=CACHE)]}]


# --- tools --------------------------------------------------------------------------------------


def test_results_of_parallel_calls_are_one_turn_in_order() -> None:
    made = turns(
        USER,
        {"role": "assistant", "content": "both", "tool_calls": [call("c1"), call("c2", "")]},
        {"role": "tool", "tool_call_id": "c1", "content": "one", "cache_control": CACHE},
        {"role": "tool", "tool_call_id": "c2", "name": "f", "content": [
            text('{"two": 2}'), {"type": "image_url", "image_url": {"url": PNG}}]},
        {"role": "user", "content": "go on"},
    )  # fmt: skip
    assert made[1]["content"] == [text("both"), use("c1", {"a": 1}), use("c2", {})]
    one, two, more = made[2]["content"]
    assert one == {
        "type": "tool_result", "tool_use_id": "c1", "content": "one", "cache_control": CACHE,
    }  # fmt: skip
    assert two["tool_use_id"] == "c2"
    assert [block["type"] for block in two["content"]] == ["text", "image"]
    assert more == text("go on")


def test_an_id_stands_for_one_call_of_the_conversation() -> None:
    again = {"role": "tool", "tool_call_id": "c1"}
    calls = {"role": "assistant", "tool_calls": [call("c1")]}
    made = turns(
        USER, calls, {**again, "content": "one"}, {**again, "content": "one"},
        calls, {**again, "content": "two"},
        {"role": "assistant", "tool_calls": [call("c1"), call("c1")]},
        {**again, "content": "three"}, {**again, "content": "four"},
    )  # fmt: skip
    ids = [block["id"] for turn in made for block in turn["content"] if block["type"] == "tool_use"]
    assert len(set(ids)) == len(ids) == 4
    results = [
        (block["tool_use_id"], block["content"])
        for turn in made for block in turn["content"] if block["type"] == "tool_result"
    ]  # fmt: skip
    assert results == list(zip(ids, ["one", "two", "three", "four"], strict=True))
    assert ids[0] == "c1"


def test_an_id_that_looks_like_another_call_of_the_same_id_is_its_own() -> None:
    calls = [call(id_) for id_ in ("c1", "c1", "c1#2", "c1")]
    made = turns(USER, {"role": "assistant", "tool_calls": calls}, USER)
    ids = [block["id"] for block in made[1]["content"]]
    assert len(set(ids)) == 4


def test_a_mark_within_a_result_stands_on_the_result() -> None:
    result = {"role": "tool", "tool_call_id": "c1"}
    told = [text("one", cache_control=CACHE), text("two")]
    made = turns(
        USER, {"role": "assistant", "tool_calls": [call("c1")]}, {**result, "content": told}
    )
    assert made[2]["content"] == [
        {
            "type": "tool_result", "tool_use_id": "c1", "content": [text("one"), text("two")],
            "cache_control": CACHE,
        }
    ]  # fmt: skip


def test_the_name_of_a_call_that_no_tool_could_have_is_made_fit() -> None:
    names = ["$READ", "read<|a|>", "x" * 130, "", "get-it_2"]
    calls = [call(f"c{number}", name=name) for number, name in enumerate(names)]
    results = [{"role": "tool", "tool_call_id": one["id"], "content": "none"} for one in calls]
    history: list[dict[str, Any]] = [USER, {"role": "assistant", "tool_calls": calls}, *results]
    told = [block["name"] for block in turns(*history)[1]["content"]]
    assert told == ["_READ", "read__a__", "x" * 128, "unknown", "get-it_2"]
    kept = [block["name"] for block in turns(*history, model="glm-5")[1]["content"]]
    assert kept == names  # other models behind Anthropic's dialect may take more


@pytest.mark.parametrize("content", ["", []])
def test_an_empty_result_is_still_a_result(content: Any) -> None:
    made = turns(
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call("c1")]},
        {"role": "tool", "tool_call_id": "c1", "content": content},
    )
    assert made[1]["content"] == [use("c1", {"a": 1})]
    assert made[2]["content"] == [{"type": "tool_result", "tool_use_id": "c1"}]


def test_an_earlier_refusal_is_what_the_model_said_then() -> None:
    refused = [{"type": "refusal", "refusal": "I won't."}]
    for said in ({"content": None, "refusal": "I won't."}, {"content": refused}):
        made = turns(USER, {"role": "assistant", **said}, USER)
        assert made[1] == {"role": "assistant", "content": [text("I won't.")]}


def test_ids_of_other_providers_are_put_into_the_letters_that_anthropic_takes() -> None:
    ids = ["functions.f:0", "functions_f_0", "functions.f.0", "x" * 80, "é"]
    made = turns(
        USER,
        {"role": "assistant", "tool_calls": [call(id_) for id_ in ids]},
        *({"role": "tool", "tool_call_id": id_, "content": id_} for id_ in ids),
    )
    used = [block["id"] for block in made[1]["content"]]
    assert used == [block["tool_use_id"] for block in made[2]["content"]]
    assert len(set(used)) == len(ids)
    assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", id_) for id_ in used)
    assert used[1] == "functions_f_0"


def test_legacy_function_calls_are_tool_calls_too() -> None:
    made = turns(
        USER,
        {"role": "assistant", "content": None, "function_call": call("")["function"]},
        {"role": "function", "name": "f", "content": "r"},
    )
    id_ = made[1]["content"][0]["id"]
    assert made[1]["content"] == [use(id_, {"a": 1})]
    assert made[2]["content"] == [{"type": "tool_result", "tool_use_id": id_, "content": "r"}]


# --- thoughts -----------------------------------------------------------------------------------

THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
HIDDEN = {"type": "redacted_thinking", "data": "xyz"}


@pytest.mark.parametrize(
    ("details", "content", "expected"),
    [
        ([THOUGHT, HIDDEN], "ab", [THOUGHT, HIDDEN, text("ab"), use("c1", {"a": 1})]),
        ([{**THOUGHT, "after_text": 1}], "ab",
         [text("a"), THOUGHT, text("b"), use("c1", {"a": 1})]),
        ([THOUGHT, {**HIDDEN, "after_text": 2}], "ab",
         [THOUGHT, text("ab"), HIDDEN, use("c1", {"a": 1})]),
        ([{**THOUGHT, "after_text": 99, "after_tools": 1}], "ab",
         [text("ab"), use("c1", {"a": 1}), THOUGHT]),
        ([THOUGHT], None, [THOUGHT, use("c1", {"a": 1})]),
        ([THOUGHT], [text("ab")], [THOUGHT, text("ab"), use("c1", {"a": 1})]),
        # OpenRouter's names for the same
        ([{"type": "reasoning.text", "text": "hm", "signature": "sig",
           "format": "anthropic-claude-v1", "index": 0},
          {"type": "reasoning.encrypted", "data": "xyz", "format": "anthropic-claude-v1"}], "ab",
         [THOUGHT, HIDDEN, text("ab"), use("c1", {"a": 1})]),
        # another model's, which Claude cannot take
        ([{"type": "reasoning.encrypted", "data": "x", "format": "openai-responses-v1"},
          {"type": "thinking", "thinking": "unsigned"}, {"type": "summary", "text": "s"}], "ab",
         [text("ab"), use("c1", {"a": 1})]),
    ],
)  # fmt: skip
def test_claudes_thoughts_come_back_unchanged_at_their_places(
    details: list[Any], content: Any, expected: list[Any]
) -> None:
    made = turns(
        USER,
        {"role": "assistant", "content": content, "reasoning_content": "hm",
         "reasoning_details": details, "tool_calls": [call("c1")]},
        {"role": "tool", "tool_call_id": "c1", "content": "r"},
    )  # fmt: skip
    assert made[1]["content"] == expected


@pytest.mark.parametrize(
    ("model", "back"),
    [
        ("claude-sonnet-4-5", []),
        ("deepseek-v4", [{"type": "thinking", "thinking": "hm", "signature": ""}]),
    ],
)
def test_thoughts_that_nobody_signed_go_back_to_models_that_do_not_sign(
    model: str, back: list[dict[str, Any]]
) -> None:
    detail = {"type": "thinking", "thinking": "hm", "signature": ""}
    answer = {"role": "assistant", "content": "a", "reasoning_details": [detail]}
    assert turns(USER, answer, USER, model=model)[1]["content"] == [*back, text("a")]
