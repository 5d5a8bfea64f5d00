"""Counters of one worker, in its memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from callgate.core import limits
from callgate.core.limits import Draw, Level, Period
from callgate.core.quota import Correction, Grant, Quota, quota
from callgate.errors import GatewayError
from callgate.store.base import Caution

_SWEEP = 2

Window = tuple[str, str, int, int]
"""Of an account and a name: when the window opened, and what has been taken of it since."""


class _Counter:
    """What is counted under one name; see `limits.Level`."""

    __slots__ = ("birth", "opened", "period", "used")

    def __init__(self, period: Period, opened: int = 0, used: int = 0) -> None:
        self.period = period
        self.opened = opened
        self.used = used
        self.birth = 0

    def level(self) -> Level:
        """As it stands."""
        return Level(self.opened, self.used, self.birth)


class MemoryCounters:
    """`Counters` for a gateway with a single worker: exact, and gone when the process ends.

    At most `capacity` windows are open at once, and as many days and months; beyond that
    GatewayError `limits_unavailable` is raised. Expired windows are dropped a few at a time, as
    new ones open.
    """

    trouble: str | None = None
    caution: Caution | None = None
    outages: int = 0

    def __init__(self, capacity: int = 1_000_000) -> None:
        # By account and name; ordered by opening, so that the first to expire stand in front.
        self._windows: OrderedDict[tuple[str, str], _Counter] = OrderedDict()
        self._calendar: dict[tuple[str, str], _Counter] = {}
        self._capacity = capacity

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        """Take one request from the window, if it has one left. `now` is Unix seconds."""
        return self.take(account, model, limit, now)

    def take(self, account: str, model: str, limit: int, now: float) -> Quota:
        """`reserve`, without the loop: it never waits."""
        at = int(now * 1_000_000)
        place = (account, model)
        window = self._windows.get(place)
        if window is None:
            self._sweep(at)
            window = self._windows[place] = _Counter(Period.WINDOW)
        before = window.opened
        admitted, opened, used = limits.take(before, window.used, limit, at)
        window.used = used
        if opened != before:
            window.opened = opened
            self._windows.move_to_end(place)
        return quota(admitted, limit, opened, used)

    async def peek(self, account: str, model: str, limit: int, now: float) -> Quota:
        """The window as it stands; where none is open, as if it opened now."""
        return self.look(account, model, limit, now)

    def look(self, account: str, model: str, limit: int, now: float) -> Quota:
        """`peek`, without the loop: it never waits."""
        level = self._level(account, model, Period.WINDOW)
        opened, used = limits.look(level.opened, level.used, int(now * 1_000_000))
        return quota(used < limit, limit, opened, used)

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """Take all of these or none. Each draw names a counter of its own."""
        return self.take_all(account, draws, now)

    def take_all(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """`draw`, without the loop: it never waits."""
        at = int(now * 1_000_000)
        counters: list[_Counter] = []
        levels: list[Level] = []
        for draw in draws:
            counter = self._counter(account, draw.name, draw.period, at)
            counters.append(counter)
            levels.append(limits.current(counter.level(), draw.period, draw.begins, at))
        refused = limits.first_refused(levels, draws)
        for number, draw in enumerate(draws):
            if refused is None:
                levels[number] = limits.drawn(levels[number], draw)
            self._keep(account, draw.name, counters[number], levels[number])
        return Grant(refused, tuple(levels), at)

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        """How the counters of these draws stand, nothing taken."""
        at = int(now * 1_000_000)
        return [
            limits.current(
                self._level(account, draw.name, draw.period), draw.period, draw.begins, at
            )
            for draw in draws
        ]

    def settle(
        self,
        account: str,
        corrections: Sequence[Correction],
        now: float,
        *,
        of: Grant | None = None,
    ) -> None:
        """Correct what was drawn, now that the real amount is known."""
        for one in corrections:
            counter = self._found(account, one.name, one.period)
            if counter is not None and counter.opened == one.opened:
                counter.used = limits.amended(counter.used, one.delta)

    async def seed(
        self,
        account: str,
        name: str,
        period: Period,
        begins: int,
        amount: int,
        now: float,
        *,
        again: bool = False,
    ) -> bool:
        """Tell a calendar counter what was spent before its birth; False where it knows already."""
        counter = self._counter(account, name, period, int(now * 1_000_000))
        before = counter.level()
        after = limits.seeded(before, begins, amount, again=again)
        self._keep(account, name, counter, after)
        return after is not before

    def windows(self, now: float) -> list[Window]:
        """All open windows, the oldest first."""
        at = int(now * 1_000_000)
        return [
            (*place, window.opened, window.used)
            for place, window in self._windows.items()
            if not limits.expired(window.opened, at)
        ]

    def absorb(self, others: Iterable[Window], now: float) -> None:
        """Count what another process has counted as if all had been asked for here."""
        at = int(now * 1_000_000)
        known = {place: (one.opened, one.used) for place, one in self._windows.items()}
        for account, name, opened, used in others:
            own = known.get((account, name))
            full = own is None and len(known) >= self._capacity
            if full or limits.expired(opened, at):
                continue
            if own is None or limits.expired(own[0], at):
                known[account, name] = (opened, used)
            else:
                known[account, name] = (min(opened, own[0]), used + own[1])
        self._windows = OrderedDict(
            (place, _Counter(Period.WINDOW, opened, used))
            for place, (opened, used) in sorted(known.items(), key=lambda window: window[1][0])
        )

    async def start(self) -> None:
        """There is nothing to get ready."""

    async def stop(self) -> None:
        """There is nothing to end."""

    def retire(self) -> None:
        """There is nobody to hand over to."""

    def close(self) -> None:
        """Forget everything."""
        self._windows.clear()
        self._calendar.clear()

    def __len__(self) -> int:
        return len(self._windows)

    def _found(self, account: str, name: str, period: Period) -> _Counter | None:
        if period is Period.WINDOW:
            return self._windows.get((account, name))
        return self._calendar.get((account, name))

    def _level(self, account: str, name: str, period: Period) -> Level:
        counter = self._found(account, name, period)
        return Level() if counter is None else counter.level()

    def _counter(self, account: str, name: str, period: Period, now: int) -> _Counter:
        """The counter of this name, or a new one that there is room for: `_keep` puts it there."""
        counter = self._found(account, name, period)
        if counter is not None:
            return counter
        if period is Period.WINDOW:
            self._sweep(now)
        elif len(self._calendar) >= self._capacity:
            self._clear_calendar(now)
        return _Counter(period)

    def _keep(self, account: str, name: str, counter: _Counter, level: Level) -> None:
        begun = level.opened != counter.opened
        counter.opened, counter.used, counter.birth = level.opened, level.used, level.birth
        if not begun:
            return
        if counter.period is Period.WINDOW:
            self._windows[account, name] = counter
            self._windows.move_to_end((account, name))
        else:
            self._calendar[account, name] = counter

    def _clear_calendar(self, now: int) -> None:
        over = [
            place
            for place, counter in self._calendar.items()
            if limits.expired(counter.opened, now, counter.period)
        ]
        if not over:
            raise self._full("budgets")
        for place in over:
            del self._calendar[place]

    def _sweep(self, now: int) -> None:
        for _ in range(_SWEEP):
            if not self._windows:
                return
            place = next(iter(self._windows))
            window = self._windows[place]
            if limits.expired(window.opened, now):
                del self._windows[place]
            elif window.opened > now:
                # From before the clock stepped back; left alone it would stand for too long.
                window.opened = now
                self._windows.move_to_end(place)
            else:
                break
        if len(self._windows) >= self._capacity:
            raise self._full("rate-limit windows")

    def _full(self, what: str) -> GatewayError:
        return GatewayError(
            "limits_unavailable",
            f"Too many {what} are open at once",
            detail=f"{self._capacity} {what} are open in this worker",
        )
