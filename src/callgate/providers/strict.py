"""Readers of answers that others made: each value has the shape it must have, or is refused."""

from __future__ import annotations

from typing import Any

from callgate.core.chat import Json


class Malformed(ValueError):  # noqa: N818 - said of the answer
    """An answer, or a piece of one, that has not the shape of one."""


def string(value: object) -> str:
    """The text. Raises Malformed for anything else."""
    if not isinstance(value, str):
        raise Malformed("a field that is not text")
    return value


def listed(value: object) -> list[Any]:
    """The list, empty where it is left out. Raises Malformed for anything else."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Malformed("a field that is not a list")
    return value


def inner(value: object) -> Json:
    """The object. Raises Malformed for anything else."""
    if not isinstance(value, dict):
        raise Malformed("a field that is not an object")
    return value
