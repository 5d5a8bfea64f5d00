"""A bound on work that is counted in steps, for parsers whose time cannot be told beforehand."""

from __future__ import annotations

_STEPS_PER_CHARACTER = 8
_STEPS = 4096


class Meter:
    """How many more characters a text of `length` may have looked at, over and over."""

    def __init__(self, length: int) -> None:
        self.left = _STEPS + _STEPS_PER_CHARACTER * length


class SpentError(Exception):
    """The meter has run down."""
