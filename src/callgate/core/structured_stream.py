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
                arguments = (call.get("function") or {}).get("arguments")
                if arguments:
                    delta["content"] = delta.get("content", "") + arguments
        if text and place not in self._called:
            self._held[place] = self._held.get(place, "") + text
        if choice.get("finish_reason"):
            if place not in self._called:
                delta["content"] = self._held.pop(place, "")
            elif choice["finish_reason"] == "tool_calls":
                choice["finish_reason"] = "stop"


def _says(choice: Json) -> bool:
    return bool(choice.get("finish_reason") or choice["delta"])


class Transcript:
    """The text of each choice of a stream, up to a bound, and which of them ended well."""

    __slots__ = ("_most", "_texts", "ended", "full")

    def __init__(self, most: int) -> None:
        self._most = most
        self._texts: dict[int, list[str]] = {}
        self.ended: set[int] = set()
        self.full = False

    def take(self, chunks: Sequence[Chunk]) -> None:
        """Take what these chunks say."""
        for chunk in chunks:
            for choice in chunk.choices:
                place, delta = choice.get("index", 0), choice["delta"]
                text = delta.get("content")
                if text and not self.full:
                    self._most -= len(text)
                    self.full = self._most < 0
                    self._texts.setdefault(place, []).append(text)
                if choice.get("finish_reason") == "stop":
                    self.ended.add(place)

    def texts(self) -> list[str]:
        """The texts of the choices that ended well; none where there was too much of them."""
        return [] if self.full else ["".join(self._texts.get(at, ())) for at in sorted(self.ended)]
