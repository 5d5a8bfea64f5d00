"""The usage of several attempts, or of several reports, as one."""

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


def completed(told: Usage | None, earlier: Usage | None) -> Usage | None:
    """A stream's latest usage, with the details that only an earlier one of it gave.

    Some servers tell the usage with the finish reason, and then once more without its details.
    """
    if told is not None and earlier is not None:
        if told.input_details is None and told.input_tokens >= earlier.input_tokens:
            told.input_details = earlier.input_details
        if told.output_details is None and told.output_tokens >= earlier.output_tokens:
            told.output_details = earlier.output_details
    return told
