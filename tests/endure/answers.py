"""Answers as the endurance run notes them."""

from __future__ import annotations

from typing import Any

from bench.endure.callers import Answer

_SOUND = Answer("r1", "o1", 0, "acme", "m", 200, 100.0, 0.01, False, False, False, 0, 60)


def answered(**said: Any) -> Answer:
    """A sound answer of account `acme` at model `m`, but for what is said."""
    return _SOUND._replace(**said)
