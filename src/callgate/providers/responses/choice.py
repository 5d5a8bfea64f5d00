"""Which requests OpenAI serves by its Responses API alone.

Chat Completions gives functions only to models that do not think, and some models it does not have.
All else goes there.
"""

from __future__ import annotations

import re
from functools import lru_cache

from callgate.core.chat import ChatBody

_Efforts = frozenset[str | None]

_ROWS: tuple[tuple[re.Pattern[str], _Efforts | None], ...] = tuple(
    (re.compile(pattern), efforts)
    for pattern, efforts in (
        # https://github.com/openai/openai-python: `ResponsesModel` in types/shared
        (r"^(?:o[13]|gpt-5(?:\.5)?)-pro\b|^o[34](?:-mini)?-deep-research|^computer-use-", None),
        (r"^gpt-5-codex|^gpt-5\.1-codex-max|^gpt-daybreak-|^gpt-(?:5\.6|6)-cyber", None),
        (r"^gpt-rosalind|^gpt-6-rosalind|^gpt-6\.2-astra-law", None),
        # https://developers.openai.com/api/docs/guides/deployment-checklist
        (r"^gpt-6-astra|^gpt-6\.1-sol|^gpt-6\.2-", frozenset[str | None]()),
        (r"^gpt-5\.6(?!\d)|^gpt-6-(?:sol|luna)|^gpt-6\.1-terra", frozenset({"none"})),
        # https://github.com/openai/openai-openapi/issues/541, /charmbracelet/crush/issues/2913
        (r"^gpt-5\.[45](?!\d)", frozenset({None, "none"})),
    )
)
"""Patterns over OpenAI's id of a model, and the efforts beside which Chat Completions gives it
functions, None for one that is left out; no set where it does not have the model.
"""


def needs_responses(body: ChatBody, model: str) -> bool:
    """Whether Chat Completions would refuse the request, but the Responses API would not.

    `model` is OpenAI's id of it.
    """
    row = _row(model)
    if row is None:
        return False
    efforts = row[0]
    if efforts is None:
        return True
    if not body.tools or not any(tool.type == "function" for tool in body.tools):
        return False
    return body.reasoning is not None or body.reasoning_effort not in efforts


@lru_cache(maxsize=1024)
def _row(model: str) -> tuple[_Efforts | None] | None:
    name = model.lower()
    for pattern, efforts in _ROWS:
        if pattern.search(name):
            return (efforts,)
    return None
