"""Waiting for blocked signals."""

from __future__ import annotations

import signal
from collections.abc import Collection


def wait_for(signals: Collection[signal.Signals], seconds: float) -> int | None:
    """The first of these to arrive, which have to be blocked, within so many seconds, or None.

    Stopped and continued (SIGSTOP, a debugger) when the time is already up, `sigtimedwait` returns
    what its stack happens to hold, not None: its loop ends at once after EINTR (CPython,
    Modules/signalmodule.c). So what it was not asked for is nothing.
    """
    got = signal.sigtimedwait(signals, seconds)
    return got.si_signo if got is not None and got.si_signo in signals else None
