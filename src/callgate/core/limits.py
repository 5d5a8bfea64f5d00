"""The arithmetic of counters: whether one more request fits, and what is counted after it.

A counter is three integers: `opened`, Unix microseconds (0: never opened), `used`, what has been
taken since, and, for budgets, `birth`. Back-ends of `store.base.Counters` keep them wherever they
like and make the step atomic; what the step is, is said here once. Redis has it in Lua
(`store.counters.scripts`), where days and months are judged by the server's clock.

A window lasts 60 seconds from the first request in it. A calendar counter lasts a day or a month
of UTC; its beginning is told with each draw, so it needs no clock of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import IntEnum
from typing import Final

from callgate.core.value import Value

WINDOW_US: Final = 60_000_000
"""The length of a window in microseconds."""

MOST: Final = 2**53 - 1
"""The highest count. A provider may report any usage; beyond this Lua's doubles are not exact, and
the words of the shared table end soon after."""

_DAY_US: Final = 86_400_000_000
_MONTH_US: Final = 31 * _DAY_US
_KEPT_US: Final = 32 * _DAY_US  # as long as Redis keeps one
_EPOCH: Final = date(1970, 1, 1).toordinal()


class Period(IntEnum):
    """How long a counter counts before it starts again."""

    WINDOW = 0
    DAY = 1
    MONTH = 2


LONGEST = (WINDOW_US, _DAY_US, _MONTH_US)
"""The longest that a counter of each period stays open, in microseconds."""


class Draw(Value):
    """What a request takes of one counter.

    `name` is the counter's among those of the account; `begins` is where its day or month does, in
    Unix microseconds, 0 for a window. A request that is larger than the whole limit draws the
    whole limit.
    """

    __slots__ = ("amount", "begins", "limit", "name", "period")
    __match_args__ = ("name", "limit", "amount", "period", "begins")

    def __init__(
        self, name: str, limit: int, amount: int, period: Period = Period.WINDOW, begins: int = 0
    ) -> None:
        self.name = name
        self.limit = limit
        self.amount = amount
        self.period = period
        self.begins = begins


class Level(Value):
    """A counter as it stands. `birth` is when a calendar counter came to be within its period, 0
    where it has counted from the period's beginning, or has been told what went before.
    """

    __slots__ = ("birth", "opened", "used")
    __match_args__ = ("opened", "used", "birth")

    def __init__(self, opened: int = 0, used: int = 0, birth: int = 0) -> None:
        self.opened = opened
        self.used = used
        self.birth = birth


def take(opened: int, used: int, limit: int, now: int) -> tuple[bool, int, int]:
    """Ask for one request at `now` (Unix microseconds); (admitted, opened, used) afterwards.

    A clock that has stepped back pulls the window back with it and keeps its count: nobody gains
    a request by it, and nobody waits longer than one window from the clock's new time.
    """
    if now >= opened + WINDOW_US:
        opened, used = now, 0
    elif now < opened:
        opened = now
    if used < limit:
        return True, opened, used + 1
    return False, opened, used


def look(opened: int, used: int, now: int) -> tuple[int, int]:
    """The window as it stands at `now`: (opened, used). One that would open now counts as open."""
    if now >= opened + WINDOW_US:
        return now, 0
    return min(opened, now), used


def expired(opened: int, now: int, period: int = Period.WINDOW) -> bool:
    """Whether nothing has to be remembered of the counter any more.

    Nor of a calendar counter that only a clock that was far ahead can have opened.
    """
    if period and opened > now:
        return opened > now + LONGEST[period]
    return now >= opened + LONGEST[period]


def current(level: Level, period: Period, begins: int, now: int) -> Level:
    """The counter as it stands at `now`, started again where its time is over.

    A calendar counter does not go back: who is late with the new day counts in it all the same. One
    that is further ahead was opened by a clock that has been put right since, and begins anew, to
    be told what was spent. So does one that is long over: a clock that was behind may have opened
    it.
    """
    if period is Period.WINDOW:
        opened, used = look(level.opened, level.used, now)
        return level if opened == level.opened else Level(opened, used)
    if begins > level.opened:
        recent = level.opened > 0 and begins <= level.opened + _KEPT_US
        return Level(begins, 0, 0 if recent else now)
    if begins < level.opened and ending(period, begins) < level.opened:
        return Level(begins, 0, now)
    return level


def fits(used: int, draw: Draw) -> bool:
    """Whether the counter has room for the draw."""
    return used < draw.limit and used + min(draw.amount, draw.limit) <= draw.limit


def first_refused(levels: Sequence[Level], draws: Sequence[Draw]) -> int | None:
    """The place of the first draw whose counter has no room; None where all have."""
    for at, draw in enumerate(draws):
        if not fits(levels[at].used, draw):
            return at
    return None


def drawn(level: Level, draw: Draw) -> Level:
    """The counter after the draw."""
    return Level(level.opened, level.used + min(draw.amount, draw.limit), level.birth)


def corrected(level: Level, opened: int, delta: int) -> Level:
    """The counter after a reservation of the period that began at `opened` turned out otherwise."""
    if level.opened != opened:
        return level
    return Level(level.opened, amended(level.used, delta), level.birth)


def amended(used: int, delta: int) -> int:
    """A count that turned out to be so much more, or less."""
    return min(max(0, used + delta), MOST)


def seeded(level: Level, begins: int, amount: int, *, again: bool) -> Level:
    """A calendar counter that has been told what was spent before its birth, once.

    One that knew already is left alone; or, told `again` of all that was spent in its period, has
    counted at least that.
    """
    if level.opened > begins:
        return level
    if level.opened == begins and not level.birth:
        return Level(begins, min(amount, MOST)) if again and amount > level.used else level
    used = level.used if level.opened == begins else 0
    return Level(begins, min(used + amount, MOST))


def beginning(period: Period, now: int) -> int:
    """Where the UTC day or month that holds `now` begins (Unix microseconds); 0 for a window."""
    if period is Period.DAY:
        return now - now % _DAY_US
    if period is Period.MONTH:
        day = now // _DAY_US
        return (day - date.fromordinal(_EPOCH + day).day + 1) * _DAY_US
    return 0


def ending(period: Period, opened: int) -> int:
    """When a counter that began at `opened` starts again (Unix microseconds)."""
    if period is Period.MONTH:
        return beginning(period, opened + _MONTH_US)
    return opened + LONGEST[period]
