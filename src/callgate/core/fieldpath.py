"""Paths to fields: `messages[1].content[0].text`.

A key that is not a plain word is quoted, as in TOML: `models."gpt-4.1".provider`. A key beyond
`MAX_NAME` characters is shown shortened, and its path then leads nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

MAX_NAME = 256

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_$-]+")
_STEP = re.compile(r'\.?(?:([A-Za-z0-9_$-]+)|("(?:[^"\\]|\\.)*"))|\[(\d+)\]', re.DOTALL)


def join(path: str, key: Any) -> str:
    """The path of `key` in the object at `path` (empty for the whole value)."""
    text = key if isinstance(key, str) else str(key)
    if len(text) > MAX_NAME:
        text = text[:40] + "…"
    if not _PLAIN_KEY.fullmatch(text):
        text = json.dumps(text, ensure_ascii=False)
    return f"{path}.{text}" if path else text


def covers(path: str, other: str) -> bool:
    """Whether `other` is `path` or lies within it."""
    return other.startswith(path) and other[len(path) : len(path) + 1] in {"", ".", "["}


def root(path: str) -> str:
    """The first field of a path."""
    steps = _steps(path)
    return str(steps[0]) if steps else ""


def value_at(value: Any, path: str) -> Any:
    """What stands at the path; None where nothing does."""
    for step in _steps(path):
        try:
            value = value[step]
        except (LookupError, TypeError):
            return None
    return value


def prune(value: Any, paths: Iterable[str]) -> Any:
    """A copy of `value` without the fields at these paths; what is unchanged is shared.

    Items of an array stay, so that every other path keeps its meaning.
    """
    tree: dict[str | int, Any] = {}
    for path in paths:
        branch = tree
        for step in _steps(path):
            branch = branch.setdefault(step, {})
    return _without(value, tree)


def _steps(path: str) -> list[str | int]:
    return [
        int(index) if index else json.loads(quoted) if quoted else plain
        for plain, quoted, index in _STEP.findall(path)
    ]


def _without(value: Any, tree: Mapping[str | int, Any]) -> Any:
    """`tree` maps each step to the steps below it; an empty one ends a path."""
    if not tree:
        return value
    if isinstance(value, dict):
        kept = ((key, item, tree.get(key)) for key, item in value.items())
        return {
            key: item if below is None else _without(item, below)
            for key, item, below in kept
            if below is None or below
        }
    if isinstance(value, list):
        return [_without(item, tree.get(index, {})) for index, item in enumerate(value)]
    return value
