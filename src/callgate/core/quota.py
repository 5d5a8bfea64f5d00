"""The results of reservations, and their later corrections."""

from __future__ import annotations

from callgate.core.limits import WINDOW_US, Level, Period
from callgate.core.value import Value


class Quota(Value):
    """The state of one window after an operation on it. `reset` is Unix seconds, fractional.

    `exact` is False where this process counted for itself, because the others could not be asked.
    """

    __slots__ = ("admitted", "exact", "limit", "remaining", "reset")
    __match_args__ = ("admitted", "limit", "remaining", "reset", "exact")

    def __init__(
        self, admitted: bool, limit: int, remaining: int, reset: float, exact: bool = True
    ) -> None:
        self.admitted = admitted
        self.limit = limit
        self.remaining = remaining
        self.reset = reset
        self.exact = exact


def quota(admitted: bool, limit: int, opened: int, used: int, *, exact: bool = True) -> Quota:
    """The quota that a window of `core.limits` amounts to under a limit."""
    left = limit - used if used < limit else 0
    return Quota(admitted, limit, left, (opened + WINDOW_US) / 1_000_000, exact)


class Grant(Value):
    """What became of a reservation over several counters.

    `refused` is the place of the first draw that found no room, None where all were taken; either
    way `levels` are the counters afterwards. `now` is the time that was taken for it (Unix
    microseconds, by the clock of whoever counts); `exact` as in `Quota`. `late` is for whoever
    counts to know it by.
    """

    __slots__ = ("exact", "late", "levels", "now", "refused")
    __match_args__ = ("refused", "levels", "now", "exact", "late")

    def __init__(
        self,
        refused: int | None,
        levels: tuple[Level, ...],
        now: int,
        exact: bool = True,
        late: object | None = None,
    ) -> None:
        self.refused = refused
        self.levels = levels
        self.now = now
        self.exact = exact
        self.late = late


class Correction(Value):
    """What to add to a counter, if its period is still the one that began at `opened`."""

    __slots__ = ("delta", "name", "opened", "period")
    __match_args__ = ("name", "period", "opened", "delta")

    def __init__(self, name: str, period: Period, opened: int, delta: int) -> None:
        self.name = name
        self.period = period
        self.opened = opened
        self.delta = delta
