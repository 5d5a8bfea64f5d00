"""The time by which old records are deleted: a clock that jumps ahead must not delete new ones."""

from __future__ import annotations

import logging
import time

_JUMP = 3600.0
_BELIEVED_AFTER = 86_400.0
_BOOT = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps
_log = logging.getLogger("callgate.clerk")


class Calendar:
    """Unix seconds as the machine's clock tells them, but for a jump ahead of more than an hour.

    That is believed when the clock has stood by it for a day: there is time to set it right, and
    one that had to be corrected ahead delays a deletion by no more than that.
    """

    def __init__(self, wall: float, steady: float) -> None:
        self._epoch = wall - steady
        self._since: float | None = None
        self._jumped = self._epoch

    def now(self, wall: float, steady: float) -> float:
        """The time to delete by. `steady` are seconds of a clock that nobody sets."""
        epoch = wall - steady
        ahead = epoch - self._epoch
        another = self._since is None or abs(epoch - self._jumped) > _JUMP
        if ahead > _JUMP and another:
            self._since, self._jumped = steady, epoch
            told = {"hours": round(ahead / 3600, 1)}
            _log.error("the clock has jumped ahead: nothing is deleted by it for a day", extra=told)
        if ahead <= _JUMP or (self._since is not None and steady - self._since >= _BELIEVED_AFTER):
            self._epoch, self._since = epoch, None
        return steady + self._epoch


def steady() -> float:
    """Seconds since some moment, by the clock that nobody sets."""
    return time.clock_gettime(_BOOT)
