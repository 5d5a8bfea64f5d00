"""The usage of several attempts as one."""

from __future__ import annotations

from collections.abc import Iterable

from callgate.core.chat import Json, Usage


def total(usages: Iterable[Usage]) -> Usage:
    """The sum, estimated where any part is. What else the providers report is not summed."""
    whole = Usage(input_tokens=0, output_tokens=0, total_tokens=0)
    for one in usages:
        whole.input_tokens += one.input_tokens
        whole.output_tokens += one.output_tokens
        whole.total_tokens += one.total_tokens
        whole.input_details = _sum(whole.input_details, one.input_details)
        whole.output_details = _sum(whole.output_details, one.output_details)
        whole.estimated = whole.estimated or one.estimated
    return whole


def _sum(one: Json | None, other: Json | None) -> Json | None:
    if one is None or other is None:
        return one or other
    summed = dict(one)
    for name, count in other.items():
        before = summed.get(name)
        if type(count) is int and (before is None or type(before) is int):
            summed[name] = (before or 0) + count
    return summed
