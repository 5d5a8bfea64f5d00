"""What one provider answered goes to another as a part of the conversation, as it came."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from callgate.core.target import Target
from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.registry import dialect

from .samples import target_of

CLAUDE = target_of("anthropic", upstream_model="claude-sonnet-4-5")
BEDROCK = target_of("bedrock", upstream_model="us.anthropic.claude-sonnet-4-5-20250929-v1:0")
PROFILE = target_of(
    "bedrock",
    upstream_model="arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abc",
)
NOVA = target_of("bedrock", upstream_model="us.amazon.nova-2-lite-v1:0")
GEMINI = target_of("gemini", upstream_model="gemini-3-pro-preview")
COHERE = target_of("cohere", upstream_model="command-a-03-2025")
GROQ, MISTRAL, CEREBRAS, FIREWORKS = (
    target_of(name, upstream_model="some-model")
    for name in ("groq", "mistral", "cerebras", "fireworks")
)
MAGISTRAL = target_of("mistral", upstream_model="magistral-medium-latest")
TRANSLATED = (CLAUDE, BEDROCK, NOVA, GEMINI, COHERE)

USER = {"role": "user", "content": "Hello"}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "1"}
BY_CLAUDE = {"type": "thinking", "thinking": "Aha.", "signature": "s1"}
BY_GEMINI = {
    "type": "reasoning.text",
    "format": "google-gemini-v1",
    "text": "Aha.",
    "signature": "s",
}
BY_OPENROUTER = {
    "type": "reasoning.text", "format": "anthropic-claude-v1", "text": "Aha.", "signature": "s1",
}  # fmt: skip


def answer(**more: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "Well.", **more}


def sent(target: Target, *turns: dict[str, Any], **more: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": [USER, *turns, USER], **more}
    request = parse_chat(json.dumps(body).encode())
    encoded = dialect(target.deployment.vendor.dialect).encode(request, target)
    return dict(json.loads(encoded.body))


# --- to dialects that are translated to -----------------------------------------------------------


@pytest.mark.parametrize("target", TRANSLATED, ids=lambda one: one.deployment.id)
@pytest.mark.parametrize(
    "more",
    [
        {"executed_tools": [{"type": "search", "index": 0}], "reasoning": "Hm."},
        {"content_parts": [{"type": "reference", "reference_ids": [1]}]},
        {"extra_content": {"google": {"thought_signature": "x"}}, "refusal": None},
        {"parsed": {"a": 1}, "annotations": [], "audio": None, "function_call": None},
    ],
    ids=min,
)
def test_what_an_answer_bears_besides_does_not_stand_in_the_way(
    target: Target, more: dict[str, Any]
) -> None:
    assert "Well." in json.dumps(sent(target, answer(**more)))


@pytest.mark.parametrize("target", TRANSLATED, ids=lambda one: one.deployment.id)
def test_what_callers_make_up_is_refused_by_name_all_the_same(target: Target) -> None:
    with pytest.raises(GatewayError) as refused:
        sent(target, answer(parsed_by_me=1))
    assert refused.value.param == "messages[1].parsed_by_me"


@pytest.mark.parametrize("target", TRANSLATED[:4], ids=lambda one: one.deployment.id)
def test_null_is_the_arguments_of_a_call_without_any(target: Target) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": "null"}}
    tools = [{"type": "function", "function": {"name": "f"}}]
    told = json.dumps(sent(target, answer(tool_calls=[call]), RESULT, tools=tools))
    assert '"input": {}' in told or '"args": {}' in told


@pytest.mark.parametrize("target", [CLAUDE, BEDROCK, PROFILE], ids=lambda one: one.deployment.id)
@pytest.mark.parametrize("detail", [BY_CLAUDE, BY_OPENROUTER], ids=lambda one: one["type"])
def test_thoughts_of_claude_go_back_to_claude(target: Target, detail: dict[str, Any]) -> None:
    told = json.dumps(sent(target, answer(reasoning_details=[detail])))
    assert '"signature": "s1"' in told
    assert "Aha." in told


@pytest.mark.parametrize("target", [CLAUDE, BEDROCK, PROFILE], ids=lambda one: one.deployment.id)
def test_thoughts_of_others_do_not_go_to_claude(target: Target) -> None:
    unsaid = {key: value for key, value in BY_GEMINI.items() if key != "text"}
    told = json.dumps(sent(target, answer(reasoning_details=[BY_GEMINI, unsaid])))
    assert "signature" not in told


def test_no_thoughts_go_to_models_of_bedrock_that_refuse_them() -> None:
    told = json.dumps(sent(NOVA, answer(reasoning_details=[BY_CLAUDE, BY_OPENROUTER])))
    assert "reasoningContent" not in told


# --- to servers of OpenAI's dialect that refuse what they do not know -----------------


def earlier(target: Target, turn: dict[str, Any], **more: Any) -> dict[str, Any]:
    turns: dict[str, Any] = sent(target, turn, **more)["messages"][1]
    return turns


@pytest.mark.parametrize(
    "target", [GROQ, MISTRAL, CEREBRAS, FIREWORKS], ids=lambda one: one.deployment.id
)
def test_the_strict_are_sent_nothing_that_they_do_not_know(target: Target) -> None:
    plain = {**CALL, "id": "D681PevKs"}
    call = {**plain, "index": 0, "extra_content": {"google": {"thought_signature": "x"}}}
    turn = answer(
        tool_calls=[call], reasoning_content="Hm.", reasoning_details=[BY_CLAUDE],
        annotations=[], refusal=None, audio=None, images=[], content_parts=[],
    )  # fmt: skip
    known = {"reasoning_content": "Hm."} if target is FIREWORKS else {}
    assert earlier(target, turn) == answer(tool_calls=[plain], **known)


@pytest.mark.parametrize("target", [GROQ, CEREBRAS], ids=lambda one: one.deployment.id)
def test_reasoning_goes_back_where_there_is_a_field_for_it(target: Target) -> None:
    assert earlier(target, answer(reasoning="Hm.")) == answer(reasoning="Hm.")
    assert earlier(target, answer(reasoning=None)) == answer()


@pytest.mark.parametrize(
    ("vendor", "model", "more", "fields", "thought"),
    [
        ("deepseek", "deepseek-v4-pro", {}, {}, " "),
        ("deepseek", "deepseek-v4-pro", {}, {"reasoning_content": ""}, " "),
        ("deepseek", "deepseek-v4-pro", {}, {"reasoning": "Hm."}, "Hm."),
        ("deepseek", "deepseek-v4-pro", {}, {"reasoning_content": "Hm."}, "Hm."),
        ("deepseek", "deepseek-v4-pro", {"thinking": {"type": "disabled"}}, {}, None),
        ("deepseek", "deepseek-v4-pro", {"reasoning_effort": "none"}, {}, None),
        ("deepseek", "deepseek-chat", {}, {}, None),
        ("moonshot", "kimi-k2.5", {}, {}, " "),
        ("openai", "gpt-5", {}, {}, None),
    ],
)
def test_calls_that_no_thought_led_to_have_a_blank_one_where_one_is_wanted(
    vendor: str, model: str, more: dict[str, Any], fields: dict[str, Any], thought: str | None
) -> None:
    target = target_of(vendor, upstream_model=model)
    known = {**fields, "reasoning_content": thought} if thought else fields
    assert earlier(target, answer(tool_calls=[CALL], **fields), **more) == answer(
        tool_calls=[CALL], **known
    )
    assert "reasoning_content" not in earlier(target, answer(), **more)


def test_what_the_caller_adds_passes_untouched() -> None:
    assert earlier(GROQ, answer(name="x", new={"a": None})) == answer(name="x", new={"a": None})


def test_mistral_gets_ids_of_calls_in_its_own_form() -> None:
    foreign = {**CALL, "id": "toolu_01A09q90qw90lq917835lq9"}
    for call, own in ((foreign, False), ({**CALL, "id": "D681PevKs"}, True)):
        result = {"role": "tool", "tool_call_id": call["id"], "content": "5"}
        turns = sent(MISTRAL, answer(tool_calls=[call]), result)["messages"]
        id_ = turns[1]["tool_calls"][0]["id"]
        assert re.fullmatch("[a-zA-Z0-9]{9}", id_)
        assert (id_ == call["id"]) is own
        assert turns[1] == answer(tool_calls=[{**call, "id": id_}])
        assert turns[2] == {**result, "tool_call_id": id_}


def test_words_of_a_refusal_are_content() -> None:
    assert earlier(MISTRAL, answer(content=None, refusal="No."))["content"] == "No."


def test_messages_of_others_are_as_they_came() -> None:
    turns = sent(GROQ, answer(refusal=None))["messages"]
    assert turns == [USER, answer(), USER]


def test_mistrals_reasoning_goes_back_as_a_part_of_the_content() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    text = {"type": "text", "text": "Well."}
    turn = answer(reasoning_content="Hm.")
    assert earlier(MAGISTRAL, turn)["content"] == [thinking, text]
    assert earlier(MISTRAL, turn, reasoning_effort="high")["content"] == [thinking, text]
    assert earlier(MISTRAL, turn, reasoning_effort="none")["content"] == "Well."
    called = answer(content="", reasoning_content="Hm.", tool_calls=[CALL])
    assert earlier(MAGISTRAL, called)["content"] == [thinking]
    assert earlier(MAGISTRAL, answer(content=[text], reasoning_content="Hm."))["content"] == [
        thinking,
        text,
    ]


@pytest.mark.parametrize("vendor", ["deepseek", "mistral", "moonshot", "alibaba", "together"])
def test_developers_are_the_system_where_that_role_is_unknown(vendor: str) -> None:
    told = {"role": "developer", "content": "Be brief.", "x": 1}
    turns = sent(target_of(vendor), told, answer(content="y"))["messages"]
    assert turns == [USER, {**told, "role": "system"}, answer(content="y"), USER]


def test_elsewhere_developers_stay() -> None:
    for vendor in ("openai", "azure", "groq", "openrouter", "openai-compatible"):
        told = {"role": "developer", "content": "Be brief."}
        assert sent(target_of(vendor), told)["messages"] == [USER, told, USER]


@pytest.mark.parametrize("target", TRANSLATED[:4], ids=lambda one: one.deployment.id)
def test_a_jpg_is_a_jpeg(target: Target) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/4AAQSkZJRg=="}}
    told = json.dumps(sent(target, {"role": "user", "content": [image]}))
    assert "jpeg" in told
    assert "jpg" not in told


def test_the_lenient_get_the_messages_to_the_byte() -> None:
    body = b'{"model":"m","messages":[{"role":"user", "content":"x"},{"role":"assistant",'
    body += b'"content":"y","refusal":null, "reasoning_content":"z"}]}'
    encoded = dialect("openai").encode(parse_chat(body), target_of("deepseek")).body
    assert b'"content":"y","refusal":null, "reasoning_content":"z"}]' in encoded
