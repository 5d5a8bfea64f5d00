"""Tool calls in a stream: which call a fragment belongs to.

https://platform.openai.com/docs/guides/function-calling#streaming has each call begin with its id
and name and go on by `index` alone. Others leave the index out (Mistral, Google), give every
whole call index 0, leave the id empty (Google), repeat id and name with each fragment (Alibaba), or
say null for what they leave out.
"""

from __future__ import annotations

from typing import Any

from callgate.core.chat import Json
from callgate.providers.openai.answer import complete_call, textual_arguments

MAX_CALLS = 512


class ToolCalls:
    """The calls of one choice, in the order in which they began."""

    __slots__ = ("_bare", "_begun", "_numbers")

    def __init__(self) -> None:
        self._bare: set[int] = set()  # those without a character of arguments
        self._begun: list[tuple[str, str]] = []  # id and name
        self._numbers: dict[int, int] = {}  # the server's index -> ours, of its latest call

    def place(self, fragments: object, seed: str) -> None:
        """Make the fragments uniform: OpenAI's index, an id and a name where a call begins only.

        `seed` makes ids unique where the server gives none. Raises ValueError for what cannot be
        a list of fragments.
        """
        if type(fragments) is not list:
            raise ValueError("tool calls that are not a list")
        for fragment in fragments:
            if type(fragment) is not dict:
                raise ValueError("a tool call that is not an object")
            self._place(fragment, seed)
        if len(fragments) > 1:
            _unite(fragments)

    def complete(self, delta: Json) -> None:
        """Give the calls that have no arguments, now that the answer is whole, an empty object.

        What is behind Databricks and OpenRouter says nothing there for functions without any.
        """
        if self._bare:
            told = [{"index": at, "function": {"arguments": "{}"}} for at in sorted(self._bare)]
            delta["tool_calls"] = fragments = [*(delta.get("tool_calls") or ()), *told]
            _unite(fragments)
            self._bare.clear()

    def _place(self, fragment: Json, seed: str) -> None:
        function = fragment.get("function")
        function = function if type(function) is dict else {}
        id_, name = _text(fragment.get("id")), _text(function.get("name"))
        theirs = fragment.get("index")
        at = self._find(theirs, id_, name)
        if at is None:
            at = len(self._begun)
            if at >= MAX_CALLS:
                raise ValueError("too many tool calls")
            if id_ and any(id_ == one for one, _ in self._begun):
                fragment["id"] = f"{id_}_{at}"  # Xinference gives all calls of an answer one id
            complete_call(fragment, f"call_{seed}_{at}")
            self._begun.append((id_, name))
            if "function" in fragment:
                self._bare.add(at)
        else:
            textual_arguments(function)
            fragment.pop("id", None)
            fragment.pop("type", None)
            if not name or name == self._begun[at][1]:
                function.pop("name", None)
        if function.get("arguments"):
            self._bare.discard(at)
        elif "arguments" in function and function["arguments"] is None:
            del function["arguments"]  # null where others leave it out
        self._numbers[theirs if type(theirs) is int else -1] = at
        fragment["index"] = at

    def _find(self, theirs: Any, id_: str, name: str) -> int | None:
        """The call that the fragment goes on with; None where it begins one."""
        at = self._numbers.get(theirs if type(theirs) is int else -1)
        if at is None:
            return None
        known = self._begun[at][0]
        if id_ and id_ != known and name:
            return None
        if type(theirs) is not int and name and not id_:
            return None
        return at


def _unite(fragments: list[Json]) -> None:
    """Make one fragment of those of one call, which OpenAI's SDK for Python takes for several calls
    where they come in one chunk: https://github.com/openai/openai-python/issues/3201.
    """
    first: dict[int, Json] = {}
    for fragment in fragments:
        known = first.setdefault(fragment["index"], fragment)
        if known is not fragment:
            _continue(known, fragment)
    fragments[:] = first.values()


def _continue(known: Json, fragment: Json) -> None:
    """Put what a later fragment says of a call to what is known of it: nothing of it is lost."""
    for name, value in fragment.items():
        whole = known.get(name)
        if whole is None:
            known[name] = value
        elif type(whole) is dict and type(value) is dict:
            for part, text in value.items():
                if isinstance(text, str):
                    whole[part] = _text(whole.get(part)) + text
                else:
                    whole.setdefault(part, text)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
