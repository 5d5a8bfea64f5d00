"""Which targets go on with an answer that was begun, and how they are told to.

Only what a provider documents, or recorded traffic shows, has a row: a target that takes the
beginning for an earlier turn would answer from the start, and nobody could tell.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from callgate.core.prefill import Prefill
from callgate.core.target import Target

_PLAIN = Prefill()
_ECHOING = Prefill(echoes=True)
_PREFIX = Prefill("prefix")
_PARTIAL = Prefill("partial")
_FINAL = Prefill(
    fields=MappingProxyType({"continue_final_message": True, "add_generation_prompt": False})
)

WAYS: Mapping[str, Prefill | None] = MappingProxyType(
    {
        "none": None,
        "assistant": _ECHOING,
        "prefix": _PREFIX,
        "partial": _PARTIAL,
        "continue_final_message": _FINAL,
    }
)
"""What the setting `prefill` of a provider can say."""

# Up to Claude 4.5; later ones refuse it:
# https://platform.claude.com/docs/en/about-claude/models/migration-guide
_CLAUDE = (
    r"claude-(?:instant|v?[123](?!\d)|4-(?:opus|sonnet)"
    r"|(?:opus|sonnet|haiku)-4(?!\d)(?:[.-][015](?!\d)|(?![.-]\d{1,2}(?!\d))))"
)


class _Row(NamedTuple):
    """`who` is a vendor of the registry, or else a dialect; `path` the end of the base URL."""

    who: str
    models: re.Pattern[str]
    way: Prefill
    path: str = ""


_ROWS = tuple(
    _Row(who, re.compile(models), *rest)
    for who, models, *rest in (
        ("anthropic", _CLAUDE, _PLAIN),
        ("vertex", _CLAUDE, _PLAIN),
        ("bedrock", _CLAUDE, _PLAIN),
        # https://docs.aws.amazon.com/nova/latest/userguide/prompting-structured-output.html
        ("bedrock", r"amazon\.nova-(?:micro|lite|pro|premier)-v1", _PLAIN),
        # https://openrouter.ai/docs/api/reference/overview#assistant-prefill
        ("openrouter", r"^anthropic/" + _CLAUDE, _PLAIN),
        # https://docs.mistral.ai/capabilities/completion/prefix: the answer holds the prefix
        ("mistral", r"^(?!magistral)", Prefill("prefix", echoes=True)),
        # https://api-docs.deepseek.com/guides/chat_prefix_completion
        ("deepseek", r"^deepseek-chat", _PREFIX, "/beta"),
        # https://platform.kimi.ai/docs/guide/use-partial-mode-feature-of-kimi-api
        ("moonshot", r"^(?!.*thinking)", _PARTIAL),
        # https://www.alibabacloud.com/help/en/model-studio/partial-mode
        ("alibaba", r"^qwen(?!.*(?:thinking|qwq))", _PARTIAL),
        # https://console.groq.com/docs/prefilling; models that think first are left out
        ("groq", r"llama|gemma|mistral|mixtral", _PLAIN),
        # https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html
        ("vllm", "", _FINAL),
        # https://github.com/ggml-org/llama.cpp/tree/master/tools/server (--prefill-assistant): the
        # answer of newer versions holds the beginning
        ("llama.cpp", "", _ECHOING),
        ("local", "", _ECHOING),
    )
)


def prefill_of(target: Target) -> Prefill | None:
    """How the target takes the beginning of an answer, None where it is not known to."""
    deployment = target.deployment
    set_ = deployment.options.get("prefill")
    if set_ is not None:
        return WAYS[set_]
    vendor, name = deployment.vendor, deployment.upstream_model.lower()
    for row in _ROWS:
        if (
            row.who in (vendor.name, vendor.dialect)
            and deployment.path.endswith(row.path)
            and row.models.search(name)
        ):
            return row.way
    return None
