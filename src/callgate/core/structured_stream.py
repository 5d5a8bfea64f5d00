"""Streamed answers in the form that was asked for: chunks turned round, and their text kept."""

from __future__ import annotations

from collections.abc import Sequence

from callgate.core.chat import Chunk, Json


class Unwrapping:
    """Turns the deltas of our function's arguments into deltas of content.

    Text that comes besides is held back; where no call comes at all it was the answer. Only the
    first call counts.
    """

    __slots__ = ("_called", "_held")

    def __init__(self) -> None:
        self._called: dict[int, int] = {}
        self._held: dict[int, str] = {}

    def turn(self, chunks: Sequence[Chunk]) -> list[Chunk]:
        """The chunks as the caller sees them; those with nothing left to say are left out."""
        for chunk in chunks:
            for choice in chunk.choices:
                self._choice(choice)
        return [chunk for chunk in chunks if any(map(_says, chunk.choices))]

    def _choice(self, choice: Json) -> None:
        delta, place = choice["delta"], choice.get("index", 0)
        text = delta.pop("content", None)
        for call in delta.pop("tool_calls", None) or ():
            number = call.get("index", 0)
            if self._called.setdefault(place, number) == number:
                function = call.get("function")
                arguments = function.get("arguments") if isinstance(function, dict) else None
                if arguments:
                    delta["content"] = delta.get("content", "") + arguments
        if text and isinstance(text, str) and place not in self._called:
            self._held[place] = self._held.get(place, "") + text
        if choice.get("finish_reason"):
            if place not in self._called:
                delta["content"] = self._held.pop(place, "")
            elif choice["finish_reason"] == "tool_calls":
                choice["finish_reason"] = "stop"


def _says(choice: Json) -> bool:
    return bool(choice.get("finish_reason") or choice["delta"])


class Transcript:
    """The text of each choice of a stream, up to a bound in all."""

    __slots__ = ("_left", "_texts")

    def __init__(self, most: int) -> None:
        self._left = most
        self._texts: dict[int, list[str]] = {}

    @property
    def full(self) -> bool:
        """Whether there was more text than is kept."""
        return self._left < 0

    def take(self, chunks: Sequence[Chunk]) -> list[tuple[Chunk, str]]:
        """Take what these chunks say; the chunks that properly end a choice, with its text."""
        ended = []
        for chunk in chunks:
            for choice in chunk.choices:
                place, text = choice.get("index", 0), choice["delta"].get("content")
                if text and isinstance(text, str) and self._left >= 0:
                    self._left -= len(text)
                    self._texts.setdefault(place, []).append(text)
                if choice.get("finish_reason") == "stop":
                    ended.append((chunk, "".join(self._texts.pop(place, ()))))
        return [] if self.full else ended
