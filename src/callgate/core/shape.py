"""Sees a value as a type and tells every mistake in it, each with its path.

msgspec stops at the first mistake, which is right for the fast path and wrong for people. This is
for the case that a decode has failed: of a request's body, or of a configuration file.
"""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple

from msgspec.inspect import type_info

from callgate.core.checks import Check, compile_check
from callgate.core.fault import Fault, Findings, Full
from callgate.core.fieldpath import prune

__all__ = ["Fault", "Report", "inspect", "prune"]


class Report(NamedTuple):
    """What was found, in the order of the type's fields; `unknown` holds paths.

    Where it is not `complete`, the walk stopped at one of the bounds in `core.fault`.
    """

    faults: list[Fault]
    unknown: list[str]
    complete: bool = True


def inspect(value: object, type: Any) -> Report:  # noqa: A002 - the plain word
    """Every mistake in `value` (dicts, lists, strings, numbers, …) seen as a `type`.

    Fields that a struct with `forbid_unknown_fields` does not know are listed apart.
    """
    found = Findings()
    with suppress(Full):
        _compiled(type)(value, "", found)
    return Report(found.faults, found.unknown, found.complete)


@lru_cache(maxsize=32)
def _compiled(type: Any) -> Check:  # noqa: A002
    return compile_check(type_info(type), {})
