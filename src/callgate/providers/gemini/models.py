"""What the generations of Gemini differ in."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple

from callgate.core.target import Target
from callgate.providers.vertex_place import GLOBAL_HOST

Thinking = Literal["none", "budget", "level"]


class Family(NamedTuple):
    """One generation.

    `thinking` says in what the depth of thinking is told; `rests` whether it can be turned off;
    `minimal` whether the least level is that and not `LOW`; `budgets` whether one that knows levels
    takes a number of tokens too; `ids` whether calls carry ids and need signatures;
    `media_results` whether the result of a tool may hold media.
    """

    thinking: Thinking = "level"
    rests: bool = False
    minimal: bool = False
    budgets: bool = True
    ids: bool = True
    media_results: bool = True


# https://ai.google.dev/gemini-api/docs/thinking, /thought-signatures and /function-calling
_BUDGET_PRO = Family("budget", ids=False, media_results=False)
_BUDGET = Family("budget", rests=True, ids=False, media_results=False)
_PLAIN = Family("none", rests=True, ids=False, media_results=False)
_MINIMAL = Family(minimal=True)
_CURRENT = Family()
_FOURTH = Family(budgets=False)

_FAMILIES = (
    (re.compile(r"gemini-2\.5-pro"), _BUDGET_PRO),
    (re.compile(r"gemini-2\.5-flash-image|gemini-2\.5-\w+-(?:preview-)?tts"), _PLAIN),
    (re.compile(r"gemini-2\.5"), _BUDGET),
    (re.compile(r"gemini-(?:1|2\.0|pro-vision|exp)|gemma|learnlm"), _PLAIN),
    # https://ai.google.dev/gemini-api/docs/generate-content/thinking: from 3.7 on not any more
    (re.compile(r"gemini-3(?:\.[1-6])?-flash"), _MINIMAL),
    # https://docs.cloud.google.com/gemini-enterprise-agent-platform/models/start/get-started-with-gemini-4
    (re.compile(r"gemini-(?:[4-9]|\d\d)"), _FOURTH),
)


def family_of(target: Target) -> Family:
    """The generation of the target's model; the current one where the name tells none."""
    model = target.deployment.upstream_model
    for pattern, family in _FAMILIES:
        if pattern.search(model):
            return family
    return _CURRENT


_DIGIT_FIRST = re.compile(r"_*\d")


def told_name(name: str) -> str:
    """A function's name as Gemini takes it: OpenAI's may begin with a digit, Gemini's may not.

    One underscore goes before it, and before such as have some already, so that `own_name` can
    tell what it was. https://ai.google.dev/api/caching#FunctionDeclaration
    """
    return f"_{name}" if _DIGIT_FIRST.match(name) else name


def own_name(name: str) -> str:
    """The caller's name of a function that Gemini knows by `told_name`."""
    return name[1:] if name[:1] == "_" and _DIGIT_FIRST.match(name) else name


def is_vertex(target: Target) -> bool:
    """Whether the target is Vertex AI and not Google AI."""
    deployment = target.deployment
    return deployment.vendor.dialect == "vertex" or deployment.origin.host.endswith(GLOBAL_HOST)
