"""Ids of earlier calls, each only once in a conversation, and their names, as Anthropic and Bedrock
take them.

Servers count the calls of each answer anew (`call_0`), or give all calls of an answer one id;
OpenAI and its like pass over that, Anthropic ("`tool_use` ids must be unique") and Bedrock do not,
and Gemini is to know which call, and so which function, each result is of.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from callgate.core.chat import Json

_UNFIT = re.compile(r"[^a-zA-Z0-9_-]")


def call_name(given: str, most: int) -> str:
    """The name of an earlier call, of letters that the provider takes and at most so many.

    A model may have invented it (`$READ`, `read<|channel|>json`), and the client has told it that
    there is no such tool; the name itself would have every further request refused.
    """
    return _UNFIT.sub("_", given)[:most] or "unknown"


class CallIds:
    """The ids of one conversation, in its order. `shape` makes an id one that the provider takes.

    The same conversation has the same ids each time, so that a prompt cache holds.
    """

    __slots__ = ("_counts", "_open", "_shape", "_told", "_used")

    def __init__(self, shape: Callable[[str], str]) -> None:
        self._shape = shape
        self._used: set[str] = set()
        self._counts: dict[str, int] = {}  # by the caller's id: how many calls went by it
        self._told: dict[str, Json] = {}
        self._open: dict[str, list[str]] = {}  # by the caller's id: what its results are called

    def turn(self) -> None:
        """The model's next turn: results belong to its calls from here on."""
        self._open.clear()

    def call(self, given: str) -> str:
        """The id of a call that the caller knows by `given`."""
        number = self._counts.get(given, 0) + 1
        id_ = self._shape(given if number == 1 else f"{given}#{number}")
        while id_ in self._used:
            number += 1
            id_ = self._shape(f"{given}#{number}")
        self._counts[given] = number
        self._used.add(id_)
        self._open.setdefault(given, []).append(id_)
        return id_

    def result(self, given: str) -> str:
        """The id of the call that a result is of: where several go by `given`, each in its turn."""
        ids = self._open.get(given)
        if ids is None:
            return self._shape(given)
        return ids.pop(0) if len(ids) > 1 else ids[0]

    def repeats(self, id_: str, result: Json) -> bool:
        """Whether a result says again what the first one with this id said, as clients do that
        resume a session.
        """
        first = self._told.setdefault(id_, result)
        return first is not result and first == result
