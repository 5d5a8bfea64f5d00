"""When a model that was asked for and one that a provider lists are the same."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

_RESOURCE = re.compile(r"^(?:publishers/[^/]+/)?models/")
# A day or a month, as the makers date their snapshots: -2025-04-14, -20250929, -2411, -0613.
_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8}|\d{4})")
# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
_PROFILE = re.compile(r"^(?:us|us-gov|eu|apac|jp|au|ca|sa|me|af|global)\.")
_LATEST = ("-latest", "-0")
"""What Anthropic, Mistral and xAI add to a name to mean its newest snapshot."""


def plain(id_: str) -> str:
    """The id without the resource path that Google puts in front."""
    return _RESOURCE.sub("", id_)


def find(asked: str, listed: Collection[str]) -> str | None:
    """The listed id that serves a model asked for by this id; None where there is none.

    The same id; else a dated snapshot of it, where an undated or a `-latest` id was asked for;
    else, where no inference profile is listed at all, what a profile of Bedrock leads to.
    """
    known = {plain(one): one for one in listed}
    for name in _names(plain(asked)):
        if name in known:
            return known[name]
        snapshots = [
            one for one in known if one.startswith(name) and _DATED.fullmatch(one, len(name))
        ]
        if snapshots:
            return known[max(snapshots)]
    if _PROFILE.match(asked) and not any(map(_PROFILE.match, known)):
        return known.get(_PROFILE.sub("", asked))
    return None


def _names(asked: str) -> Iterator[str]:
    """What the same model may be listed as, the likeliest first."""
    yield asked
    yield f"{asked}:latest"  # Ollama
    for suffix in _LATEST:
        if asked.endswith(suffix):
            yield asked.removesuffix(suffix)
    if "@" in asked:  # Vertex AI: the version behind the name
        yield asked.partition("@")[0]
    if "/" in asked and ":" in asked:  # OpenRouter: the way of routing behind the name
        yield asked.rpartition(":")[0]
