"""What one exchange comes to: the common ground of recordings, replies and records."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

Call = tuple[str, Any]
Row = tuple[int, str, str]


class Choice(NamedTuple):
    """One answer: its words, its tool calls as (name, parsed arguments), and why it ended."""

    text: str = ""
    reasoning: str = ""
    calls: tuple[Call, ...] = ()
    finish: str | None = None


class Outcome(NamedTuple):
    """`tokens` holds the counts that are known: input, output, total, cached, written, reasoning.

    With `errors`, the types of which the failure may be, there is no finished answer; `choices`
    then holds what was said before it.
    """

    choices: dict[int, Choice]
    tokens: dict[str, int] | None = None
    errors: frozenset[str] = frozenset()


class Draft:
    """A choice while it is being read, from a whole message or piece by piece."""

    def __init__(self) -> None:
        self.text = ""
        self.reasoning = ""
        self.finish: str | None = None
        self._names: list[str] = []
        self._arguments: list[str] = []
        self._places: dict[object, int] = {}

    def call(self, place: object, name: str, arguments: str) -> None:
        """A tool call, or more of the one that stands in this place."""
        if place is None or place not in self._places:
            self._places[place] = len(self._names)
            self._names.append("")
            self._arguments.append("")
        at = self._places[place]
        self._names[at] += name
        self._arguments[at] += arguments

    def has(self, place: object) -> bool:
        """Whether a tool call stands in this place."""
        return place in self._places

    def choice(self) -> Choice:
        calls = zip(self._names, map(parsed, self._arguments), strict=True)
        return Choice(self.text, self.reasoning, tuple(calls), self.finish)


def parsed(arguments: str) -> Any:
    """The arguments as a value; as they stand where they are no JSON. None given are none."""
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def failed(types: str, choices: dict[int, Choice] | None = None) -> Outcome:
    """A failure of one of these types, divided by `|`."""
    return Outcome(choices or {}, None, frozenset(types.split("|")))


def kind_of(rows: Sequence[Row], status: int, words: str) -> str:
    """The types in the first row for this status (0 is any) whose pattern is in the words."""
    for row, pattern, types in rows:
        if row in (0, status, status // 100) and re.search(pattern, words, re.IGNORECASE):
            return types
    raise AssertionError(f"no row tells what status {status} means: {words[:200]}")


def sse(body: str) -> Iterable[tuple[str, dict[str, Any]]]:
    """The events of a stream as (event, data), without comments and `[DONE]`."""
    for block in re.split(r"\r?\n\r?\n", body):
        event, data = "", []
        for line in block.splitlines():
            name, _, value = line.partition(":")
            if name == "event":
                event = value.strip()
            elif name == "data":
                data.append(value.strip())
        if data and data != ["[DONE]"]:
            yield event, json.loads("\n".join(data))


def counts(**tokens: int | None) -> dict[str, int]:
    """The counts that are known."""
    return {name: count for name, count in tokens.items() if count is not None}
