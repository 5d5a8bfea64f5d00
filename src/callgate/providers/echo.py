"""Answers that callers send back as they came, with what they bore besides content and calls."""

from __future__ import annotations

import re

from callgate.core.request import ChatRequest

_ECHOED = re.compile(
    r"messages\[\d+\]\."
    r"(?:content_parts|executed_tools|extra_content|parsed|thought_signature)(?!\w)"
)
"""What only tells how an answer came about: parts without a place in OpenAI's message, tools that
the provider ran itself (Groq), Google's signatures, what OpenAI's SDK parsed."""


def strange(request: ChatRequest) -> list[str]:
    """The paths of fields that mean nothing here, but for those that an earlier answer carries."""
    return [path for path in request.unknown if _ECHOED.match(path) is None]
