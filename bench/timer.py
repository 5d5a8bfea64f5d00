"""A periodic timer as a file descriptor: timerfd_create(2), which Python offers from 3.13 on."""

from __future__ import annotations

import ctypes
import os
import time

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Itimerspec(ctypes.Structure):
    _fields_ = (("interval", _Timespec), ("value", _Timespec))


class Timer:
    """Becomes readable at `start`, `start + period`, …; times are monotonic nanoseconds.

    Exact to microseconds, where the timers of an event loop are exact to a millisecond.
    """

    def __init__(self, period: int) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self.start = time.monotonic_ns() + 2_000_000
        self.period = period
        self._fd = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        spec = _Itimerspec(
            _Timespec(*divmod(period, 1_000_000_000)), _Timespec(*divmod(self.start, 1_000_000_000))
        )
        if self._fd < 0 or libc.timerfd_settime(
            self._fd, _TFD_TIMER_ABSTIME, ctypes.byref(spec), None
        ):
            raise OSError(ctypes.get_errno(), "no timer")

    def fileno(self) -> int:
        """The descriptor to poll."""
        return int(self._fd)

    def ticks(self) -> int:
        """How often it has fired since the last call."""
        try:
            return int.from_bytes(os.read(self._fd, 8), "little")
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Let go of the descriptor."""
        os.close(self._fd)
