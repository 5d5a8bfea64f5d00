"""How much Claude is to think."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from callgate.core.validate import parse_chat
from callgate.errors import GatewayError
from callgate.providers.anthropic.dialect import Anthropic
from callgate.providers.anthropic.models import family

from .anthropic_wire import request, sent
from .samples import target_of

ASK = {"messages": [{"role": "user", "content": "hi"}]}
OLD, MANUAL, BOTH = "claude-3-5-haiku-20241022", "claude-sonnet-4-5-20250929", "claude-opus-4-6"
NEW, NEWER, ALWAYS = "claude-opus-5", "claude-sonnet-5-5", "claude-opus-5-5"


def enabled(budget: int) -> dict[str, Any]:
    return {"type": "enabled", "budget_tokens": budget}


SUMMARY = {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(
    ("model", "given", "thinking", "effort", "limit"),
    [
        # an effort as a number of tokens, beside the default's 1000 tokens of answer
        (MANUAL, {"reasoning_effort": "minimal"}, enabled(1024), None, 2024),
        (MANUAL, {"reasoning_effort": "low"}, enabled(2048), None, 3048),
        (MANUAL, {"reasoning_effort": "medium"}, enabled(8192), None, 9192),
        (MANUAL, {"reasoning_effort": "high"}, enabled(16384), None, 17384),
        # within the caller's own limit, which stays
        (MANUAL, {"reasoning_effort": "high", "max_tokens": 5000}, enabled(4000), None, 5000),
        (MANUAL, {"reasoning_effort": "low", "max_tokens": 9000}, enabled(2048), None, 9000),
        (MANUAL, {"reasoning_effort": "high", "max_tokens": 1025}, enabled(1024), None, 1025),
        (MANUAL, {"reasoning": {"max_tokens": 2000}}, enabled(2000), None, 3000),
        (MANUAL, {"reasoning": {"effort": "low"}}, enabled(2048), None, 3048),
        (MANUAL, {"reasoning": {"enabled": True}}, enabled(8192), None, 9192),
        (MANUAL, {"reasoning": {"enabled": False}}, {"type": "disabled"}, None, 1000),
        (MANUAL, {"reasoning": {}}, None, None, 1000),
        (MANUAL, {"reasoning_effort": "none"}, {"type": "disabled"}, None, 1000),
        ("claude-opus-4-1@20250805", {"reasoning_effort": "low"}, enabled(2048), None, 3048),
        ("claude-opus-4-20250514", {"reasoning_effort": "low"}, enabled(2048), None, 3048),
        ("claude-3-7-sonnet-latest", {"reasoning_effort": "low"}, enabled(2048), None, 3048),
        ("SmolLM2", {"reasoning_effort": "low"}, enabled(2048), None, 3048),
        # an effort as such
        (BOTH, {"reasoning_effort": "max"}, {"type": "adaptive"}, "max", 66536),
        (BOTH, {"reasoning": {"max_tokens": 2000}}, enabled(2000), None, 3000),
        (NEW, {"reasoning_effort": "minimal"}, SUMMARY, "low", 2024),
        (NEW, {"reasoning_effort": "xhigh", "max_tokens": 99}, SUMMARY, "xhigh", 99),
        (NEW, {"reasoning": {"effort": "high", "exclude": True}, "max_tokens": 99},
         {"type": "adaptive", "display": "omitted"}, "high", 99),
        (NEW, {"reasoning_effort": "none"}, {"type": "disabled"}, None, 1000),
        (NEWER, {"reasoning_effort": "none"}, {"type": "between_tools"}, None, 1000),
        ("claude-opus-5.5", {"reasoning_effort": "low", "max_tokens": 9}, SUMMARY, "low", 9),
        (OLD, {"reasoning_effort": "none"}, None, None, 1000),
        # Anthropic's own words pass as they are
        (MANUAL, {"thinking": enabled(3000)}, enabled(3000), None, 4000),
        (MANUAL, {"thinking": enabled(3000), "max_tokens": 3500}, enabled(3000), None, 3500),
        (NEW, {"thinking": {"type": "adaptive"}, "reasoning_effort": "low"},
         {"type": "adaptive"}, "low", 3048),
        # out of the caller's sight
        (MANUAL, {"reasoning": {"max_tokens": 2000, "exclude": True}},
         {**enabled(2000), "display": "omitted"}, None, 3000),
        (NEW, {"thinking": {"type": "adaptive"}}, {"type": "adaptive"}, None, 9192),
        # thinking that nobody asked for has to do with the default
        (NEW, {}, None, None, 1000),
        (ALWAYS, {"max_tokens": 60}, None, None, 60),
        ("claude-opus-4-8", {}, None, None, 1000),
        (BOTH, {}, None, None, 1000),
        (OLD, {"thinking": {"type": "disabled"}}, {"type": "disabled"}, None, 1000),
    ],
)  # fmt: skip
def test_efforts_and_budgets_become_what_the_model_takes(
    model: str, given: dict[str, Any], thinking: Any, effort: str | None, limit: int
) -> None:
    body = sent({**ASK, **given}, model)
    assert body.get("thinking") == thinking
    assert body.get("output_config") == ({"effort": effort} if effort else None)
    assert body["max_tokens"] == limit


@pytest.mark.parametrize(
    ("model", "given"),
    [(NEW, {"reasoning_effort": "high"}), (NEW, {"thinking": {"type": "adaptive"}})],
)
def test_room_for_thoughts_is_at_most_the_models_largest_output(
    model: str, given: dict[str, Any]
) -> None:
    target = target_of("anthropic", upstream_model=model)
    for most, limit in ((4000, 4000), (0, None)):
        asked = parse_chat(json.dumps({"model": "m", **ASK, **given}).encode())
        small = target.replace(model=replace(target.model, max_output_tokens=most))
        told = json.loads(Anthropic().encode(asked, small).body)["max_tokens"]
        assert told == limit or (limit is None and told > 9000)


@pytest.mark.parametrize(
    ("model", "given", "param"),
    [
        (OLD, {"reasoning_effort": "low"}, "reasoning_effort"),
        (ALWAYS, {"reasoning_effort": "none"}, "reasoning_effort"),
        (ALWAYS, {"reasoning": {"enabled": False}}, "reasoning.enabled"),
        (BOTH, {"reasoning_effort": "xhigh"}, "reasoning_effort"),
        (NEW, {"reasoning": {"max_tokens": 2000}}, "reasoning.max_tokens"),
        (MANUAL, {"reasoning_effort": "low", "max_tokens": 1024}, "reasoning_effort"),
        (MANUAL, {"reasoning": {"max_tokens": 1000}}, "reasoning.max_tokens"),
        (MANUAL, {"reasoning": {"max_tokens": 2000}, "max_tokens": 2000}, "reasoning.max_tokens"),
        (MANUAL, {"reasoning_effort": "enormous"}, "reasoning_effort"),
        (MANUAL, {"reasoning": {"effort": "low", "max_tokens": 2000}}, "reasoning.max_tokens"),
        (MANUAL, {"reasoning": {"effort": 3}}, "reasoning.effort"),
        (MANUAL, {"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        (MANUAL, {"reasoning": {"exclude": True}}, "reasoning.exclude"),
        (NEW, {"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, "reasoning.effort"),
        (NEW, {"reasoning": {"effort": "low"}, "thinking": {"type": "adaptive"}}, "reasoning"),
        (MANUAL, {"thinking": enabled(2000), "reasoning_effort": "low"}, "reasoning_effort"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_its_path(
    model: str, given: dict[str, Any], param: str
) -> None:
    with pytest.raises(GatewayError) as error:
        request({**ASK, **given}, model)
    assert (error.value.kind.type, error.value.param) == ("unsupported_field", param)


@pytest.mark.parametrize(
    ("name", "thinking", "off", "system_turns"),
    [
        ("claude-fable-5-2", "adaptive", None, True),
        ("claude-mythos-5-1", "adaptive", None, True),
        ("claude-mythos-preview", "both", None, False),
        ("claude-opus-5-5", "adaptive", None, True),
        ("claude-sonnet-5-5", "adaptive", "between_tools", True),
        ("claude-haiku-5-5", "adaptive", "disabled", True),
        ("claude-sonnet-5", "adaptive", "disabled", True),
        ("claude-opus-4-8", "adaptive", "disabled", True),
        ("claude-opus-4-7", "adaptive", "disabled", False),
        ("claude-sonnet-4-6", "both", "disabled", False),
        ("claude-haiku-4-5@20251001", "budget", "disabled", False),
        ("claude-opus-4-1-20250805", "budget", "disabled", False),
        ("claude-sonnet-4-0", "budget", "disabled", False),
        ("claude-4-opus-20250514", "budget", "disabled", False),
        ("anthropic/claude-haiku-4.5", "budget", "disabled", False),
        ("claude-3-7-sonnet@20250219", "budget", "disabled", False),
        ("claude-3-5-sonnet-20241022", "none", "disabled", False),
        ("claude-2.1", "none", "disabled", False),
        ("claude-saga-7", "adaptive", "disabled", False),
        ("SmolLM2-135M-Instruct", "budget", "disabled", False),
    ],
)
def test_a_model_is_known_by_its_providers_name(
    name: str, thinking: str, off: str | None, system_turns: bool
) -> None:
    row = family(name)
    assert (row.thinking, row.off, row.system_turns) == (thinking, off, system_turns)


# --- thoughts of earlier turns --------------------------------------------------------------------

USER = {"role": "user", "content": "hi"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "s"}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "1"}
TOOLS = [{"type": "function", "function": {"name": "f"}}]


def called(*thoughts: dict[str, Any]) -> dict[str, Any]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {"role": "assistant", "tool_calls": [call], "reasoning_details": list(thoughts)}


@pytest.mark.parametrize(
    ("messages", "thinks"),
    [
        ([USER, called(), RESULT], False),
        ([USER, called(), RESULT, called(THOUGHT), RESULT], False),
        ([USER, called(THOUGHT), RESULT], True),
        ([USER, called(THOUGHT), RESULT, called(), RESULT], True),  # as Claude itself goes on
        ([USER, called(), RESULT, USER], False),
        ([USER, called(), RESULT, {"role": "assistant", "content": "x"}, USER], True),
        ([USER, {"role": "assistant", "content": "x"}, USER], True),
    ],
)
@pytest.mark.parametrize("wish", [{"reasoning_effort": "low"}, {"reasoning": {"max_tokens": 2048}}])
def test_a_budget_is_left_out_amid_calls_that_no_thought_led_to(
    messages: list[dict[str, Any]], thinks: bool, wish: dict[str, Any]
) -> None:
    body = sent({"messages": messages, "tools": TOOLS, **wish}, MANUAL)
    assert body.get("thinking") == (enabled(2048) if thinks else None)
    assert body["max_tokens"] == (3048 if thinks else 1000)


@pytest.mark.parametrize(
    ("model", "given"),
    [
        (MANUAL, {"thinking": enabled(2048)}),  # Anthropic's own words: Anthropic judges
        (NEW, {"reasoning_effort": "low"}),  # adaptive: needs no thought before calls
        ("SmolLM2", {"reasoning_effort": "low"}),
    ],
)
def test_thinking_stays_where_the_history_allows_it(model: str, given: dict[str, Any]) -> None:
    body = sent({"messages": [USER, called(), RESULT], "tools": TOOLS, **given}, model)
    assert body["thinking"]["type"] in ("enabled", "adaptive")


BINDING = ("claude-fable-5-1", "claude-mythos-5-2", ALWAYS, NEWER, "claude-haiku-5-5")
DROP = {"prefix_mismatch_behavior": "drop_block"}
BETA = "thinking-binding-controls-2026-08-01"


@pytest.mark.parametrize("model", BINDING)
def test_thoughts_that_no_longer_hold_are_left_out_and_not_refused(model: str) -> None:
    asked = {"messages": [USER, called(THOUGHT), RESULT], "tools": TOOLS}
    made = request(asked, model)
    assert json.loads(made.body)["thinking"] == {"type": "adaptive", "block_binding": DROP}
    assert dict(made.headers)["anthropic-beta"] == BETA
    made = request({**asked, "reasoning_effort": "low"}, model)
    assert json.loads(made.body)["thinking"] == {**SUMMARY, "block_binding": DROP}


@pytest.mark.parametrize(
    ("model", "messages", "given"),
    [
        (ALWAYS, [USER], {}),
        (ALWAYS, [USER, called(), RESULT], {}),
        (NEW, [USER, called(THOUGHT), RESULT], {}),
        ("claude-fable-5", [USER, called(THOUGHT), RESULT], {}),
        ("claude-haiku-5-5", [USER, called(THOUGHT), RESULT], {"reasoning_effort": "none"}),
        (NEWER, [USER, called(THOUGHT), RESULT], {"reasoning_effort": "none"}),
    ],
)
def test_where_none_can_be_refused_nothing_is_said_of_it(
    model: str, messages: list[dict[str, Any]], given: dict[str, Any]
) -> None:
    made = request({"messages": messages, "tools": TOOLS, **given}, model)
    assert b"block_binding" not in made.body
    assert "anthropic-beta" not in dict(made.headers)


def test_the_callers_own_word_on_it_holds() -> None:
    own = {"type": "adaptive", "block_binding": {"prefix_mismatch_behavior": "error"}}
    made = request({"messages": [USER], "thinking": own}, ALWAYS)
    assert json.loads(made.body)["thinking"] == own
    assert dict(made.headers)["anthropic-beta"] == BETA


@pytest.mark.parametrize("model", BINDING[:4])
@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "f"}}], ids=("any", "named")
)
def test_models_that_cannot_be_made_to_call_a_tool_are_not_asked_to(
    model: str, choice: object
) -> None:
    with pytest.raises(GatewayError) as refused:
        request({"messages": [USER], "tools": TOOLS, "tool_choice": choice}, model)
    assert refused.value.param == "tool_choice"
    assert sent({"messages": [USER], "tools": TOOLS, "tool_choice": "auto"}, model)


def test_newer_models_may_be_forced_to_call_a_tool() -> None:
    for model in (NEW, "claude-fable-5", "claude-haiku-5-5"):
        assert sent({"messages": [USER], "tools": TOOLS, "tool_choice": "required"}, model)
