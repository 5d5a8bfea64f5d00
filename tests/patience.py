"""How long tests wait, and how they judge a bound of time on a machine that may be busy.

What must merely happen is waited for as long as `PATIENCE`. Where a bound of time is promised, a
machine that was held up elsewhere must not decide: `best_of` gives such a test several tries, of
which one has to keep the bound. What never keeps it fails every time.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

import pytest

PATIENCE = 60.0
"""Seconds; far more than anything takes, however busy the machine is."""

_SPOILT = (Exception, pytest.fail.Exception)


def best_of(tries: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Let a test, which must leave nothing behind, be run up to so many times until it passes.

    For tests alone whose verdict hangs on the clock: to others it would hide a defect that shows
    itself now and then.
    """

    def decorated(test: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(test)
        async def awaited(*given: Any, **named: Any) -> None:
            for _ in range(tries - 1):
                try:
                    return await test(*given, **named)
                except _SPOILT:
                    continue
            return await test(*given, **named)

        @wraps(test)
        def called(*given: Any, **named: Any) -> None:
            for _ in range(tries - 1):
                try:
                    return test(*given, **named)
                except _SPOILT:
                    continue
            return test(*given, **named)

        return awaited if inspect.iscoroutinefunction(test) else called

    return decorated
