"""When a process counts as hung: a rule of how long it was silent while somebody listened."""

from __future__ import annotations

from enum import Enum

# What passes between two looks counts for no more than this. Longer, the one who looks stood still
# himself: with the whole machine (suspended, a snapshot, swapping), or alone (a debugger).
_LONGEST_LOOK = 1.0
_TELLING = 1.5  # seconds that a hung process has to tell what it does, or to come back to life
_DYING = 10.0  # seconds within which one that is killed is gone, unless the kernel waits in it


class Step(Enum):
    """What is due with a process; each but NONE is due once."""

    NONE = "nothing"
    ASK = "it is hung: have it tell what it does"
    BACK = "it was asked, and lives"
    END = "kill it"
    STUCK = "it was killed, and is still there"


_NEXT = {
    Step.NONE: (Step.ASK, 0.0),
    Step.ASK: (Step.END, _TELLING),
    Step.END: (Step.STUCK, _TELLING + _DYING),
}
"""By the last step: the next, and how many seconds beyond what is borne it is due."""


class Liveness:
    """Whether one process lives. It may be silent for `patience` seconds; 0: for ever."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._silent = 0.0
        self._looked: float | None = None
        self._last = Step.NONE

    def look(self, now: float, *, heard: bool) -> Step:
        """What is due, it being `heard` since the last look. `now` is `time.monotonic`."""
        looked, self._looked = self._looked, now
        asked = self._last is Step.ASK
        if heard and (asked or self._last is Step.NONE):  # who is killed stays so
            self._silent, self._last = 0.0, Step.NONE
            return Step.BACK if asked else Step.NONE
        if looked is not None:
            self._silent += min(now - looked, _LONGEST_LOOK)
        step, beyond = _NEXT.get(self._last, (Step.NONE, 0.0))
        if not self._patience or self._silent < self._patience + beyond:
            return Step.NONE
        if step is not Step.NONE:
            self._last = step
        return step
