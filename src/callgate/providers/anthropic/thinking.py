"""How much Claude is to think: OpenAI's and OpenRouter's words for it as Anthropic's.

`reasoning_effort` is OpenAI's, `reasoning` OpenRouter's
(https://openrouter.ai/docs/use-cases/reasoning-tokens), `thinking` Anthropic's own, which passes as
it is (https://docs.anthropic.com/en/docs/build-with-claude/extended-thinking).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from callgate.core.chat import DEFAULT_MAX_TOKENS, ROOM, ChatBody, Json
from callgate.core.fault import Findings
from callgate.core.fieldpath import join
from callgate.providers.anthropic.models import Family
from callgate.providers.anthropic.reasoning import THOUGHTS

MIN_BUDGET = 1024
BINDING_BETA = "thinking-binding-controls-2026-08-01"

_EFFORTS: Mapping[str, str] = MappingProxyType({**{name: name for name in ROOM}, "minimal": "low"})
_REASONING: Mapping[str, type] = MappingProxyType(
    {"effort": str, "max_tokens": int, "enabled": bool, "exclude": bool}
)


class Thinking(NamedTuple):
    """The fields to send, and the output limit with what the thoughts add to the default one."""

    thinking: Json | None
    effort: str | None
    max_tokens: int


class _Ask(NamedTuple):
    path: str
    effort: str | None = None
    budget: int | None = None
    exclude: bool = False


def settle(body: ChatBody, family: Family, most: int, found: Findings) -> Thinking:
    """What this model is to be told. `most` is the model's largest output, 0 where unknown.

    A caller who names no limit gets 1000 tokens of answer (the contract's default) beside those of
    the thoughts it asks for; Anthropic's limit counts both.
    """
    given = body.max_completion_tokens or body.max_tokens
    limit = given or DEFAULT_MAX_TOKENS
    if body.thinking is not None:
        return _native(body, family, given, limit, most, found)
    ask = _ask(body, found)
    if ask is None:
        return Thinking(None, None, limit)
    if ask.effort == "none":
        return _off(ask, family, limit, found)
    if family.thinking == "none":
        found.fault(ask.path, "this model does not think")
        return Thinking(None, None, limit)
    if given is None:
        limit = _within(limit + (ask.budget or ROOM[ask.effort or "medium"]), most)
    if family.thinking == "budget" or ask.budget is not None:
        return _budgeted(ask, family, given, limit, found)
    return _adaptive(ask, family, limit, found)


def _within(limit: int, most: int) -> int:
    return min(limit, most) if most else limit


def unled(turns: list[Json]) -> bool:
    """Whether the conversation is in the middle of tool calls that no thought precedes.

    Claude takes no budget to think with then ("a final `assistant` message must start with a
    thinking block"): a caller, or another model, has not kept the thoughts that led to the calls.
    """
    first: Json | None = None
    for turn in reversed(turns):
        if turn["role"] == "assistant":
            first = turn["content"][0]
        elif turn["role"] == "user" and turn["content"][0]["type"] != "tool_result":
            break
    amid = bool(turns) and turns[-1]["content"][0]["type"] == "tool_result"
    return amid and first is not None and first["type"] not in THOUGHTS


def bound(thinking: Json | None, turns: list[Json], family: Family) -> Json | None:
    """The field, with which thoughts of earlier turns are left out, not refused, where what stood
    before them has changed: callers shorten conversations and change their instructions.

    https://platform.claude.com/docs/en/build-with-claude/preserved-thinking
    """
    if not family.binds or (thinking is not None and thinking.get("type") != "adaptive"):
        return thinking
    if thinking is not None and "block_binding" in thinking:
        return thinking
    if not any(block["type"] in THOUGHTS for turn in turns for block in turn["content"]):
        return thinking
    binding = {"prefix_mismatch_behavior": "drop_block"}
    return {**(thinking or {"type": "adaptive"}), "block_binding": binding}


def _native(
    body: ChatBody, family: Family, given: int | None, limit: int, most: int, found: Findings
) -> Thinking:
    thinking, effort = body.thinking or {}, None
    if body.reasoning is not None:
        found.fault("reasoning", "give either thinking or reasoning, not both")
    if body.reasoning_effort is not None:
        effort = _effort(_Ask("reasoning_effort", body.reasoning_effort), family, found)
    budget = thinking.get("budget_tokens")
    if given is None and thinking.get("type") == "adaptive":
        limit = _within(limit + ROOM.get(body.reasoning_effort or "", ROOM["medium"]), most)
    elif given is None and type(budget) is int and budget > 0:
        limit += budget
    return Thinking(thinking, effort, limit)


def _ask(body: ChatBody, found: Findings) -> _Ask | None:
    ask = None
    if body.reasoning_effort is not None:
        ask = _Ask("reasoning_effort", body.reasoning_effort)
    if body.reasoning is not None:
        ask = _from_reasoning(body.reasoning, ask, found)
    if ask is not None and ask.effort is not None and ask.effort not in (*ROOM, "none"):
        words = ", ".join(("none", *ROOM))
        found.fault(ask.path, f"expected one of {words}")
        return None
    return ask


def _from_reasoning(reasoning: Json, other: _Ask | None, found: Findings) -> _Ask | None:
    """`reasoning` and `reasoning_effort` as one; the latter alone where they do not agree."""
    for key, value in reasoning.items():
        kind = _REASONING.get(key)
        if value is not None and type(value) is not kind:
            fault = "not supported by this provider" if kind is None else "has the wrong type"
            found.fault(join("reasoning", key), fault)
            return other
    effort, budget = reasoning.get("effort"), reasoning.get("max_tokens")
    exclude = bool(reasoning.get("exclude"))
    if reasoning.get("enabled") is False:
        return _Ask("reasoning.enabled", "none")
    if budget is not None:
        if effort is None and other is None:
            return _Ask("reasoning.max_tokens", None, budget, exclude)
        found.fault("reasoning.max_tokens", "give either an effort or a number of tokens")
    elif other is not None:
        if effort in (None, other.effort):
            return other._replace(exclude=exclude)
        found.fault("reasoning.effort", "differs from reasoning_effort")
    elif effort is not None or reasoning.get("enabled"):
        path = "reasoning.effort" if effort is not None else "reasoning.enabled"
        return _Ask(path, effort or "medium", None, exclude)
    elif exclude:
        found.fault("reasoning.exclude", "needs an effort as well")
    return other


def _off(ask: _Ask, family: Family, limit: int, found: Findings) -> Thinking:
    if family.thinking == "none":
        return Thinking(None, None, limit)
    if family.off is None:
        found.fault(ask.path, "this model always thinks; the lowest effort is 'low'")
        return Thinking(None, None, limit)
    return Thinking({"type": family.off}, None, limit)


def _adaptive(ask: _Ask, family: Family, limit: int, found: Findings) -> Thinking:
    thinking: Json = {"type": "adaptive"}
    if ask.exclude:
        thinking["display"] = "omitted"
    elif family.veiled:
        thinking["display"] = "summarized"
    return Thinking(thinking, _effort(ask, family, found), limit)


def _effort(ask: _Ask, family: Family, found: Findings) -> str | None:
    effort = _EFFORTS.get(ask.effort or "")
    if effort not in family.efforts:
        levels = ", ".join(family.efforts) or "an effort cannot be combined with `thinking`"
        found.fault(ask.path, f"this model accepts {levels}")
        return None
    return effort


def _budgeted(
    ask: _Ask, family: Family, given: int | None, limit: int, found: Findings
) -> Thinking:
    budget = ask.budget
    if family.thinking == "adaptive":
        found.fault(ask.path, "this model accepts an effort, not a number of tokens")
    elif budget is None:
        room = limit - DEFAULT_MAX_TOKENS if given is None else limit * 4 // 5
        budget = max(MIN_BUDGET, min(ROOM[ask.effort or "medium"], room))
        if budget >= limit:
            found.fault(ask.path, f"needs max_tokens above {MIN_BUDGET}, got {limit}")
    elif not MIN_BUDGET <= budget < limit:
        found.fault(ask.path, f"must be at least {MIN_BUDGET} and below max_tokens ({limit})")
    thinking: Json = {"type": "enabled", "budget_tokens": budget}
    if ask.exclude:
        thinking["display"] = "omitted"
    return Thinking(thinking, None, limit)
