"""What the families of models behind Converse take beside its own fields.

Converse hands `additionalModelRequestFields` to the model as they are:
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

from callgate.core.chat import Json

Thinking = Literal["", "budget", "adaptive", "veiled", "nova", "config", "effort", "reasoning"]


class Family(NamedTuple):
    """One family.

    `fields` maps a parameter of the request to its place in `additionalModelRequestFields`;
    `thinking` says how it is told to reason, empty where it cannot be told (a `veiled` one keeps
    its thoughts to itself unless asked); `schema` is the target of `core.schema.adapt` for tools;
    `full_points` whether cache points may stand among them and last an hour; `web` whether it can
    search the web on its own; `forced` whether it can be made to call a tool; `off` the type of a
    `veiled` one's thinking that is as good as none, empty where it always thinks; `sampling`: any
    of temperature and `top_p`, `one` of them, or `none`.
    """

    fields: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    thinking: Thinking = ""
    schema: Literal["bedrock", "nova"] = "bedrock"
    full_points: bool = True
    web: bool = False
    forced: bool = True
    off: str = "disabled"
    sampling: Literal["any", "one", "none"] = "any"


_CLAUDE: Mapping[str, tuple[str, ...]] = MappingProxyType({"top_k": ("top_k",)})
_NOVA: Mapping[str, tuple[str, ...]] = MappingProxyType({"top_k": ("inferenceConfig", "topK")})
_COMMAND: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "top_k": ("k",),
        "seed": ("seed",),
        "frequency_penalty": ("frequency_penalty",),
        "presence_penalty": ("presence_penalty",),
    }
)
_JAMBA: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "frequency_penalty": ("frequency_penalty",),
        "presence_penalty": ("presence_penalty",),
    }
)

_PREFIX = r"(?:^|[./])"
_VEILED = Family(thinking="veiled", sampling="none")

_FAMILIES = tuple(
    (re.compile(_PREFIX + pattern), family)
    for pattern, family in (
        # https://platform.claude.com/docs/en/models/opus-5-5/whats-new-opus-5-5
        (r"anthropic\.claude-(?:opus-5-5|(?:fable|mythos)-(?:5-[1-9](?!\d)|[6-9]))",
         _VEILED._replace(forced=False, off="")),
        (r"anthropic\.claude-sonnet-5-5",
         _VEILED._replace(forced=False, off="between_tools")),
        (r"anthropic\.claude-mythos-preview",
         Family(_CLAUDE, "veiled", off="", sampling="one")),
        (r"anthropic\.claude-(?:fable|mythos)", _VEILED._replace(off="")),
        (r"anthropic\.claude-(?:[a-z]+-4-[7-9]|[a-z]+-[5-9](?!\d))", _VEILED),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html
        (r"anthropic\.claude-(?:opus|sonnet|haiku)-4-6",
         Family(_CLAUDE, "adaptive", sampling="one")),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-extended-thinking.html
        (r"anthropic\.claude-[a-z]+-4-[15](?!\d)", Family(_CLAUDE, "budget", sampling="one")),
        (r"anthropic\.claude-(?:3-7|[a-z]+-4)", Family(_CLAUDE, "budget")),
        (r"anthropic\.", Family(_CLAUDE)),
        # https://docs.aws.amazon.com/nova/latest/nova2-userguide/extended-thinking.html
        (r"amazon\.nova-2", Family(_NOVA, "nova", "nova", full_points=False, web=True)),
        # https://docs.aws.amazon.com/nova/latest/userguide/complete-request-schema.html
        (r"amazon\.nova-premier", Family(_NOVA, "", "nova", full_points=False, web=True)),
        (r"amazon\.nova", Family(_NOVA, "", "nova", full_points=False)),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html
        (r"cohere\.command", Family(_COMMAND)),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-mistral-chat-completion.html
        (r"mistral\.mi[sx]tral", Family(_CLAUDE)),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-jamba.html
        (r"ai21\.jamba", Family(_JAMBA)),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-openai.html
        (r"openai\.gpt-oss", Family(thinking="effort")),
        # GPT-5.6 and later; Converse knows no `reasoning_effort` of theirs:
        # https://github.com/langchain-ai/langchain-aws/issues/1262
        (r"openai\.gpt-", Family(thinking="reasoning")),
        (r"qwen\.qwen3", Family(thinking="config")),
        (r"deepseek\.v3", Family(thinking="config")),
    )
)  # fmt: skip

_OTHER = Family()

# An application's profile does not tell its model.
_MAY_BE_CLAUDE = re.compile(_PREFIX + r"anthropic\.|:application-inference-profile/")

LEAST_BUDGET = 1024
_SHARES: Mapping[str, float] = MappingProxyType(
    {"minimal": 0.1, "low": 0.2, "medium": 0.5, "high": 0.8, "xhigh": 0.9, "max": 0.95}
)
"""The part of the output limit that a level of effort leaves to reasoning."""
_DEFAULT_BUDGETS: Mapping[str, int] = MappingProxyType(
    {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 24576, "max": 32000}
)
"""Tokens for reasoning where the caller sets no output limit."""
_BASIC = {"minimal": "low", "low": "low", "medium": "medium", "high": "high"}
_LEVELS: Mapping[Thinking, Mapping[str, str]] = MappingProxyType(
    {
        "adaptive": MappingProxyType({**_BASIC, "max": "max"}),
        "veiled": MappingProxyType({**_BASIC, "xhigh": "xhigh", "max": "max"}),
        "nova": MappingProxyType(_BASIC),
        "config": MappingProxyType(_BASIC),
        "effort": MappingProxyType(_BASIC),
        "reasoning": MappingProxyType({**_BASIC, "xhigh": "xhigh", "max": "max"}),
    }
)
_ASK: Mapping[Thinking, Callable[[str], Json]] = MappingProxyType(
    {
        "adaptive": lambda level: {
            "thinking": {"type": "adaptive"},
            "output_config": {"effort": level},
        },
        "veiled": lambda level: {
            "thinking": {"type": "adaptive", "display": "summarized"},
            "output_config": {"effort": level},
        },
        "nova": lambda level: {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": level}},
        "config": lambda level: {"reasoning_config": level},
        "effort": lambda level: {"reasoning_effort": level},
        "reasoning": lambda level: {"reasoning": {"effort": level}},
    }
)
_SILENT: Json = {"thinking": {"type": "disabled"}}
_OFF: Mapping[Thinking, Json] = MappingProxyType(
    {
        "": {},
        "budget": _SILENT,
        "adaptive": _SILENT,
        "nova": {},
        "config": {},
        "reasoning": {"reasoning": {"effort": "none"}},
    }
)
"""How a family is kept from reasoning, where that is possible at all."""


def family_of(upstream_model: str) -> Family:
    """The family of a model id, an inference profile or an ARN of one."""
    for pattern, family in _FAMILIES:
        if pattern.search(upstream_model):
            return family
    return _OTHER


def takes_thoughts(upstream_model: str) -> bool:
    """Whether earlier reasoning may be handed back: Nova for one refuses it, its own too."""
    return _MAY_BE_CLAUDE.search(upstream_model) is not None


def budget_for(effort: str, max_tokens: int | None) -> int | None:
    """Tokens of reasoning for a level of effort; None where the output limit leaves no room."""
    if max_tokens is None:
        return _DEFAULT_BUDGETS[effort]
    if max_tokens <= LEAST_BUDGET:
        return None
    return min(max(int(max_tokens * _SHARES[effort]), LEAST_BUDGET), max_tokens - 1)


def thinking_fields(family: Family, effort: str, max_tokens: int | None) -> Json | None:
    """The additional fields that ask for this effort, None where they cannot be had.

    `max_tokens` is the caller's own limit, None where there is none.
    """
    kind = family.thinking
    if effort == "none":
        if kind == "veiled":
            return {"thinking": {"type": family.off}} if family.off else None
        return _OFF.get(kind)
    if kind == "budget":
        budget = budget_for(effort, max_tokens) if effort in _SHARES else None
        return {"thinking": {"type": "enabled", "budget_tokens": budget}} if budget else None
    level = _LEVELS.get(kind, {}).get(effort)
    if level is None:
        return None
    return _ASK[kind](level)
