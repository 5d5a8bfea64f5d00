"""Earlier calls of tools in a request to Bedrock."""

from __future__ import annotations

from typing import Any

import pytest

from .bedrock_requests import CLAUDE, CLOCK, HELLO, LLAMA, PNG, WEATHER, encoded

THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}


def called(*thoughts: dict[str, Any], **more: Any) -> dict[str, Any]:
    function = {"name": "weather", "arguments": '{"city": "Rom"}'}
    call = {"id": "a", "type": "function", "function": function}
    return {
        "role": "assistant", "content": None, "tool_calls": [call],
        "reasoning_details": list(thoughts), **more,
    }  # fmt: skip


def result(content: Any = "sun", **more: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": "a", "content": content, **more}


CALLED = [*HELLO, called(content="Let me look."), result()]


@pytest.mark.parametrize(
    "offer", [{}, {"tools": []}, {"tools": [WEATHER, CLOCK], "tool_choice": "none"}]
)
@pytest.mark.parametrize("model", [CLAUDE, LLAMA])
def test_where_no_tool_is_on_offer_calls_are_told_in_words(
    offer: dict[str, Any], model: str
) -> None:
    sent = encoded({"messages": CALLED, **offer}, model)
    assert "toolConfig" not in sent
    assert sent["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"text": "Let me look."},
                {"text": 'I called the tool weather with {"city":"Rom"}.'},
            ],
        },
        {"role": "user", "content": [{"text": "The tool weather answered:\nsun"}]},
    ]


def test_an_id_stands_for_one_call_and_a_result_said_twice_is_said_once() -> None:
    turns = [called(), result("one"), result("one"), called(), result("two")]
    made = encoded({"messages": [*HELLO, *turns], "tools": [WEATHER]})["messages"][1:]
    first, second = (turn["content"][-1]["toolUse"]["toolUseId"] for turn in made[::2])
    assert first == "a" != second
    results = [[block["toolResult"] for block in turn["content"]] for turn in made[1::2]]
    assert [[one["toolUseId"] for one in turn] for turn in results] == [[first], [second]]
    assert [turn[0]["content"] for turn in results] == [[{"text": "one"}], [{"text": "two"}]]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (result("no network", is_error=True), [{"text": "The tool weather failed:\nno network"}]),
        (result(""), [{"text": "The tool weather answered nothing."}]),
        ({**result(), "tool_call_id": "b"}, [{"text": "A tool answered:\nsun"}]),
        ({**result(), "tool_call_id": "b", "name": "f"}, [{"text": "The tool f answered:\nsun"}]),
        (
            result([{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]),
            [
                {"text": "The tool weather answered:"},
                {"image": {"format": "png", "source": {"bytes": PNG}}},
            ],
        ),
        (
            {**result(), "cache_control": {"type": "ephemeral"}},
            [{"text": "The tool weather answered:\nsun"}, {"cachePoint": {"type": "default"}}],
        ),
    ],
)
def test_results_are_told_with_all_that_they_hold(
    given: dict[str, Any], told: list[dict[str, Any]]
) -> None:
    sent = encoded({"messages": [*HELLO, called(), given]})
    assert sent["messages"][2]["content"] == told


def test_with_tools_on_offer_calls_stay_calls() -> None:
    sent = encoded({"messages": CALLED, "tools": [CLOCK]})
    assert "toolUse" in sent["messages"][1]["content"][1]
    assert "toolResult" in sent["messages"][2]["content"][0]


def test_a_failure_without_words_has_content_all_the_same() -> None:
    messages = [*HELLO, called(), result("", is_error=True)]
    (block,) = encoded({"messages": messages, "tools": [WEATHER]})["messages"][2]["content"]
    assert block["toolResult"]["content"] == [{"text": "error"}]


@pytest.mark.parametrize(
    ("messages", "thinks"),
    [
        ([*HELLO, called(), result()], False),
        ([*HELLO, called(THOUGHT), result()], True),
        ([*HELLO, called(THOUGHT), result(), called(), result()], True),
        ([*HELLO, called(), result(), {"role": "assistant", "content": "x"}, *HELLO], True),
    ],
)
def test_a_budget_is_left_out_amid_calls_that_no_thought_led_to(
    messages: list[dict[str, Any]], thinks: bool
) -> None:
    sent = encoded({"messages": messages, "tools": [WEATHER], "reasoning_effort": "low"})
    assert ("additionalModelRequestFields" in sent) is thinks
    assert sent["inferenceConfig"]["maxTokens"] == (3048 if thinks else 1000)
    own = {"thinking": {"type": "enabled", "budget_tokens": 2048}}
    sent = encoded({"messages": messages, "tools": [WEATHER], **own})
    assert sent["additionalModelRequestFields"] == own
