"""What each family of Claude takes, as rows: it differs by model, not by field.

https://platform.claude.com/docs/en/build-with-claude/thinking-troubleshooting (thinking and its
modes), https://platform.claude.com/docs/en/build-with-claude/effort (levels),
https://platform.claude.com/docs/en/build-with-claude/mid-conversation-system-messages,
https://platform.claude.com/docs/en/build-with-claude/preserved-thinking (which thoughts hold), and
the migration guides of the models (sampling parameters, forced tool use).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

_BASIC = ("low", "medium", "high")
_WITH_MAX = (*_BASIC, "max")
_ALL = (*_BASIC, "xhigh", "max")


class Family(NamedTuple):
    """One row.

    `thinking`: not at all, within a `budget` of tokens, `adaptive` to an effort, or `both`.
    `off` is the `thinking.type` that stops it, None where nothing does. `efforts` are the levels
    of `output_config.effort`. `veiled` models leave out the text of their thoughts unless asked.
    `sampling`: any of temperature, `top_p` and `top_k`; `one` of the first two; `none` but the
    defaults; `unruled` for servers that are not Anthropic's. `system_turns`: whether a system
    message may stand within the conversation. `forced`: whether it can be made to call a tool.
    `binds`: whether its thoughts hold only behind the very conversation that they were had in.
    """

    names: re.Pattern[str]
    thinking: Literal["none", "budget", "both", "adaptive"]
    off: str | None = "disabled"
    efforts: tuple[str, ...] = ()
    veiled: bool = False
    sampling: Literal["any", "one", "none", "unruled"] = "any"
    system_turns: bool = False
    forced: bool = True
    binds: bool = False


def _newest(
    names: str,
    off: str | None,
    *,
    system_turns: bool = True,
    forced: bool = True,
    binds: bool = False,
) -> Family:
    return Family(
        re.compile(names), "adaptive", off, _ALL, veiled=True, sampling="none",
        system_turns=system_turns, forced=forced, binds=binds,
    )  # fmt: skip


_ROWS = (
    _newest(r"claude-(?:fable|mythos)-(?:5[.-][1-9](?!\d)|[6-9])", None, forced=False, binds=True),
    _newest(r"claude-(?:fable|mythos)-\d", None),
    Family(re.compile(r"claude-mythos"), "both", None, _WITH_MAX, sampling="one"),
    _newest(r"claude-opus-5[.-]5", None, forced=False, binds=True),
    _newest(r"claude-sonnet-5[.-]5", "between_tools", forced=False, binds=True),
    _newest(r"claude-haiku-5[.-]5", "disabled", binds=True),
    _newest(r"claude-(?:opus|sonnet|haiku)-5", "disabled"),
    _newest(r"claude-opus-4[.-]8", "disabled"),
    _newest(r"claude-opus-4[.-]7", "disabled", system_turns=False),
    Family(
        re.compile(r"claude-(?:opus|sonnet)-4[.-]6"), "both", "disabled", _WITH_MAX, sampling="one"
    ),
    Family(re.compile(r"claude-(?:opus|sonnet|haiku)-4[.-][15](?!\d)"), "budget", sampling="one"),
    Family(re.compile(r"claude-(?:(?:opus|sonnet)-4|4-)"), "budget"),
    Family(re.compile(r"claude-3[.-]7"), "budget"),
    Family(re.compile(r"claude-(?:[123]|instant|v[12])"), "none"),
    # One that is newer than this table: like the newest known, but the provider judges.
    Family(re.compile(r"claude"), "adaptive", "disabled", _ALL, veiled=True, sampling="one"),
)

# llama.cpp and others that speak the dialect: https://github.com/ggml-org/llama.cpp/tools/server
_FOREIGN = Family(re.compile(""), "budget", sampling="unruled")


@lru_cache(maxsize=256)
def family(upstream_model: str) -> Family:
    """The row of a model by its provider's name (`claude-opus-4-1@20250805`, …)."""
    name = upstream_model.lower()
    for row in _ROWS:
        if row.names.search(name):
            return row
    return _FOREIGN
