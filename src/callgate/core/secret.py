"""A string that does not show itself."""

from __future__ import annotations


class Secret:
    """Holds a credential; only `reveal()` gives it out, so no repr, log or dump contains it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The credential itself. Every call of this is a place to look at in a review."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__
