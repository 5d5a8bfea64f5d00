"""Which targets take `cache_control`, by which a caller marks what is worth keeping in a cache.

The others cache on their own or not at all, and refuse the mark.
"""

from __future__ import annotations

import re

from callgate.core.target import Target

_ROWS = tuple(
    (owners.split(), re.compile(models))
    for owners, models in (
        # https://platform.claude.com/docs/en/build-with-claude/prompt-caching
        ("anthropic", r""),
        ("vertex", r"claude"),
        # https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
        ("bedrock", r"anthropic\.|claude|amazon\.nova"),
        # https://openrouter.ai/docs/guides/best-practices/prompt-caching
        # https://www.assemblyai.com/docs/llm-gateway/prompt-caching
        # https://www.alibabacloud.com/help/en/model-studio/context-cache
        ("openrouter assemblyai alibaba", r""),
        # A server of one's own that passes calls on to Claude, such as another gateway.
        ("openai", r"claude"),
    )
)
"""Vendors of the registry or dialects, and a pattern over the provider's id of the model."""


def takes_marks(target: Target) -> bool:
    """Whether a request with `cache_control` may go there."""
    vendor, upstream = target.deployment.vendor, target.deployment.upstream_model
    return any(
        (vendor.name in owners or vendor.dialect in owners) and models.search(upstream)
        for owners, models in _ROWS
    )
