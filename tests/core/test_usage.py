"""Usage that is told in several reports."""

from __future__ import annotations

from callgate.core.chat import Usage
from callgate.core.usage import completed


def usage(read: int, written: int, *, told: bool) -> Usage:
    return Usage(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written,
        input_details={"cached_tokens": 6} if told else None,
        output_details={"reasoning_tokens": 2} if told else None,
    )


def test_details_that_only_the_earlier_report_gave_are_kept() -> None:
    whole = usage(10, 5, told=True)
    assert completed(usage(10, 5, told=False), whole) == whole
    assert completed(whole, usage(10, 5, told=False)) == whole
    assert completed(usage(10, 5, told=False), None) == usage(10, 5, told=False)
    assert completed(None, whole) is None


def test_details_of_more_tokens_than_there_are_are_not() -> None:
    assert completed(usage(4, 1, told=False), usage(10, 5, told=True)) == usage(4, 1, told=False)
