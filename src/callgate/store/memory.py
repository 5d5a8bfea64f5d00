"""Counters of one worker, in its memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence

from callgate.core import limits
from callgate.core.limits import Draw, Level, Period
from callgate.errors import GatewayError
from callgate.store.base import Caution, Correction, Grant, Quota, quota

_SWEEP = 2
_UNOPENED = (0, 0)

Window = tuple[str, str, int, int]
"""Of an account and a name: when the window opened, and what has been taken of it since."""


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
        # Ordered by opening, so that the first to expire stand in front.
        self._windows: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()
        self._calendar: dict[tuple[str, str], tuple[Level, Period]] = {}
        self._capacity = capacity

    async def reserve(self, account: str, model: str, limit: int, now: float) -> Quota:
        """Take one request from the window, if it has one left. `now` is Unix seconds."""
        return self.take(account, model, limit, now)

    def take(self, account: str, model: str, limit: int, now: float) -> Quota:
        """`reserve` for whoever need not wait."""
        at = int(now * 1_000_000)
        place = (account, model)
        window = self._windows.get(place)
        if window is None:
            self._sweep(at)
            window = _UNOPENED
        before, count = window
        admitted, opened, used = limits.take(before, count, limit, at)
        self._windows[place] = (opened, used)
        if opened != before:
            self._windows.move_to_end(place)
        return quota(admitted, limit, opened, used)

    async def peek(self, account: str, model: str, limit: int, now: float) -> Quota:
        """The window as it stands; where none is open, as if it opened now."""
        return self.look(account, model, limit, now)

    def look(self, account: str, model: str, limit: int, now: float) -> Quota:
        """`peek` for whoever need not wait."""
        at = int(now * 1_000_000)
        opened, used = limits.look(*self._windows.get((account, model), _UNOPENED), at)
        return quota(used < limit, limit, opened, used)

    async def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """Take all of these or none. Each draw names a counter of its own."""
        return self.take_all(account, draws, now)

    def take_all(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """`draw` for whoever need not wait."""
        at = int(now * 1_000_000)
        levels: list[Level] = []
        for draw in draws:
            self._make_room(account, draw.name, draw.period, at)
            level = self._level(account, draw)
            levels.append(limits.current(level, draw.period, draw.begins, at))
        refused = limits.first_refused(levels, draws)
        for number, draw in enumerate(draws):
            if refused is None:
                levels[number] = limits.drawn(levels[number], draw)
            self._keep(account, draw.name, draw.period, levels[number])
        return Grant(refused, tuple(levels), at)

    async def levels(self, account: str, draws: Sequence[Draw], now: float) -> Sequence[Level]:
        """How the counters of these draws stand, nothing taken."""
        at = int(now * 1_000_000)
        return [
            limits.current(self._level(account, draw), draw.period, draw.begins, at)
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
        for name, period, opened, delta in corrections:
            place = (account, name)
            if period is Period.WINDOW:
                window = self._windows.get(place)
                if window is not None and window[0] == opened:
                    self._windows[place] = (opened, limits.amended(window[1], delta))
            elif place in self._calendar:
                level = limits.corrected(self._calendar[place][0], opened, delta)
                self._calendar[place] = (level, period)

    async def seed(
        self,
        account: str,
        name: str,
        period: Period,
        begins: int,
        amount: int,
        *,
        again: bool = False,
    ) -> bool:
        """Tell a calendar counter what was spent before its birth; False where it knows already."""
        before, _ = self._calendar.get((account, name), (Level(), period))
        after = limits.seeded(before, begins, amount, again=again)
        self._make_room(account, name, period, begins)
        self._keep(account, name, period, after)
        return after is not before

    def windows(self, now: float) -> list[Window]:
        """All open windows, the oldest first."""
        at = int(now * 1_000_000)
        return [
            (*place, opened, used)
            for place, (opened, used) in self._windows.items()
            if not limits.expired(opened, at)
        ]

    def absorb(self, others: Iterable[Window], now: float) -> None:
        """Count what another process has counted as if all had been asked for here."""
        at = int(now * 1_000_000)
        known = dict(self._windows)
        for account, name, opened, used in others:
            if limits.expired(opened, at) or len(known) >= self._capacity:
                continue
            own = known.get((account, name))
            if own is None or limits.expired(own[0], at):
                known[account, name] = (opened, used)
            else:
                known[account, name] = (min(opened, own[0]), used + own[1])
        self._windows = OrderedDict(sorted(known.items(), key=lambda window: window[1][0]))

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

    def _level(self, account: str, draw: Draw) -> Level:
        place = (account, draw.name)
        if draw.period is Period.WINDOW:
            opened, used = self._windows.get(place, _UNOPENED)
            return Level(opened, used)
        found = self._calendar.get(place)
        return Level() if found is None else found[0]

    def _make_room(self, account: str, name: str, period: Period, now: int) -> None:
        if period is Period.WINDOW:
            if (account, name) not in self._windows:
                self._sweep(now)
        elif (account, name) not in self._calendar and len(self._calendar) >= self._capacity:
            self._clear_calendar(now)

    def _keep(self, account: str, name: str, period: Period, level: Level) -> None:
        place = (account, name)
        if period is not Period.WINDOW:
            self._calendar[place] = (level, period)
            return
        before = self._windows.get(place)
        self._windows[place] = (level.opened, level.used)
        if before is None or before[0] != level.opened:
            self._windows.move_to_end(place)

    def _clear_calendar(self, now: int) -> None:
        over = [
            place
            for place, (level, period) in self._calendar.items()
            if limits.expired(level.opened, now, period)
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
            opened, used = self._windows[place]
            if limits.expired(opened, now):
                del self._windows[place]
            elif opened > now:
                # From before the clock stepped back; left alone it would stand for too long.
                self._windows[place] = (now, used)
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
