"""What one process may admit on its own while the server that counts for all is away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from callgate.core.limits import MOST, WINDOW_US, Draw, Level, Period, amended, ending
from callgate.core.quota import Correction, Grant, Quota
from callgate.store.counters.memory import MemoryCounters

_MOST_REMEMBERED = 50_000
_UNSEEN: Final = (Level(), Period.DAY)


class Debt(NamedTuple):
    """What was taken of a counter without the server's knowing. `opened` is its period's start."""

    account: str
    name: str
    period: Period
    opened: int


class Standing(NamedTuple):
    """A counter as the server has told of it last. `opened` is its period's start."""

    account: str
    name: str
    period: Period
    opened: int
    used: int


class Share:
    """Limits divided by the number of processes; the remainder goes to the first of them.

    `place` is this process's among all `processes`, from 0. Of a budget and of a window that the
    server has told of, what was left when it was last heard is divided. Of a limit above 0 that it
    has told nothing of each process has at least 1, lest a caller whose connection has led to the
    wrong one get nothing at all.
    """

    def __init__(self, workers: int) -> None:
        self.place = 0
        self.processes = workers
        self._workers = workers
        self._alone = MemoryCounters()
        self._seen: dict[tuple[str, str], tuple[Level, Period]] = {}  # of calendar counters
        # What the server is to correct once it is back, of counters that it has told of.
        self._unsent: dict[tuple[str, str], int] = {}
        self._windows: dict[tuple[str, str], tuple[int, float, int]] = {}
        # What was taken here of a window when the server went; it has counted that too.
        self._before: dict[tuple[str, str], int] = {}
        self._debts: dict[Debt, int] = {}
        self._charged: dict[Debt, int] = {}  # when the window on the server opened that has it

    def of(self, limit: int) -> int:
        """This process's share of a limit."""
        return max(self._part(limit), min(limit, 1))

    def _part(self, amount: int) -> int:
        whole, rest = divmod(amount, max(self.processes, self._workers))
        return whole + (self.place < rest)

    def look(self, account: str, draw: Draw, now: float) -> Quota:
        """The window as it stands within the share, nothing taken."""
        share = self._limit(account, draw, now)
        return self._alone.look(account, draw.name, share, now).replace(
            limit=draw.limit, exact=False
        )

    def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """All of these or none, each within the share. Levels show what is left of the share."""
        shares = [draw.replace(limit=self._limit(account, draw, now)) for draw in draws]
        grant = self._alone.take_all(account, shares, now)
        levels = []
        for draw, share, level in zip(draws, shares, grant.levels, strict=True):
            if grant.refused is None:
                debt = Debt(account, draw.name, draw.period, level.opened)
                self._owe(debt, min(draw.amount, draw.limit))
            left = max(0, share.limit - level.used)
            levels.append(Level(level.opened, draw.limit - left))
        return grant.replace(levels=tuple(levels), exact=False)

    def settle(
        self, account: str, corrections: Sequence[Correction], now: float
    ) -> list[Correction]:
        """Correct what was drawn here; gives those for the server, which was charged with it."""
        self.correct(account, corrections, now)
        charged = []
        for one in corrections:
            debt = Debt(account, one.name, one.period, one.opened)
            opened = self._charged.get(debt)
            if opened is None or debt in self._debts:
                self._owe(debt, one.delta)
            else:
                charged.append(one.replace(opened=opened))
        return charged

    def correct(self, account: str, corrections: Sequence[Correction], now: float) -> None:
        """Correct what was drawn here and is not owed, as the server has counted it as well."""
        self._alone.settle(account, corrections, now)

    def counted(self, account: str, name: str, used: int, until: float, opened: int) -> None:
        """Note that the server has counted so many in a window.

        It ends at `until` (Unix seconds) and has begun at `opened` by the server's clock. Keys of
        one account may have different limits.
        """
        if len(self._windows) >= _MOST_REMEMBERED:
            self._forget(until - WINDOW_US / 1e6)
        self._windows[account, name] = (used, until, opened)
        if self._unsent:
            self._unsent.pop((account, name), None)

    def _forget(self, now: float) -> None:
        """Make room: forget windows that are over, or all where too few are."""
        self._windows = {place: one for place, one in self._windows.items() if one[1] > now}
        if len(self._windows) > _MOST_REMEMBERED // 2:
            self._windows.clear()

    def amend(self, account: str, corrections: Sequence[Correction], *, sent: bool = True) -> None:
        """Note what the server is told to correct; unless `sent`, once it is back."""
        for one in corrections:
            place = (account, one.name)
            if one.period is Period.WINDOW:
                before, until, opened = self._windows.get(place, (0, 0.0, 0))
                after = max(0, before + one.delta)
                if not opened or opened != one.opened:
                    continue
                self._windows[place] = (after, until, opened)
            else:
                level, period = self._seen.get(place, _UNSEEN)
                before, after = level.used, amended(level.used, one.delta)
                if level.opened != one.opened:
                    continue
                self._seen[place] = (Level(level.opened, after, level.birth), period)
            if not sent:
                self._unsent[place] = self._unsent.get(place, 0) + after - before

    def standings(self, now: float) -> list[Standing]:
        """Each counter that the server has told of, unless it is over or nothing was used of it.

        Without what it is still to correct.
        """
        at = now * 1_000_000
        told = [
            Standing(*place, Period.WINDOW, opened, used - self._unsent.get(place, 0))
            for place, (used, until, opened) in self._windows.items()
            if now < until
        ]
        told += [
            Standing(*place, period, level.opened, level.used - self._unsent.get(place, 0))
            for place, (level, period) in self._seen.items()
            if at < ending(period, level.opened)
        ]
        return [one for one in told if one.used]

    def heard(
        self, account: str, draws: Sequence[Draw], levels: Sequence[Level], ahead: float
    ) -> None:
        """Note how counters stand on the server, whose clock this one is `ahead` of (seconds)."""
        for draw, level in zip(draws, levels, strict=True):
            if draw.period is Period.WINDOW:
                until = ending(draw.period, level.opened) / 1e6 + ahead
                self.counted(account, draw.name, level.used, until, level.opened)
            else:
                self._see(account, draw.name, draw.period, level)

    def _see(self, account: str, name: str, period: Period, level: Level) -> None:
        if len(self._seen) >= _MOST_REMEMBERED:
            self._seen.clear()
        self._seen[account, name] = (level, period)
        if self._unsent:
            self._unsent.pop((account, name), None)

    def debts(self, now: float) -> list[tuple[Debt, int]]:
        """What has to be charged to the server now that it is back; each is given once.

        A negative amount takes back what was charged too much of a window; its `opened` is then
        that of the server's window. Where the server was charged nothing, it is left out.
        """
        debts, self._debts = self._debts, {}
        at = now * 1_000_000
        due: list[tuple[Debt, int]] = []
        for debt, amount in debts.items():
            if amount < 0 and debt.period is Period.WINDOW:
                if debt in self._charged:
                    due.append((debt._replace(opened=self._charged[debt]), amount))
            elif amount and at < ending(debt.period, debt.opened):
                due.append((debt, amount))
        return due

    def owe(self, debts: Sequence[tuple[Debt, int]]) -> None:
        """Take debts back that could not be paid; less than nothing lowers them."""
        for debt, amount in debts:
            self._owe(debt, amount)

    def paid(self, debt: Debt, level: Level, ahead: float) -> list[Correction]:
        """The server has been charged: how the counter stands there. `ahead` as in `heard`.

        Gives what was found to be too much meanwhile, for the server.
        """
        if debt.period is not Period.WINDOW:
            self._see(debt.account, debt.name, debt.period, level)
            return []
        if len(self._charged) >= _MOST_REMEMBERED:
            self._charged.clear()
        self._charged[debt] = level.opened
        until = ending(debt.period, level.opened) / 1e6 + ahead
        self.counted(debt.account, debt.name, level.used, until, level.opened)
        if self._debts.get(debt, 0) >= 0:
            return []
        return [Correction(debt.name, debt.period, level.opened, self._debts.pop(debt))]

    def rejoin(self, now: float) -> None:
        """The server counts again, and knows what was spent here of budgets.

        Windows that were counted here stay: should it go once more, no share is given out twice.
        """
        windows = self._alone.windows(now)
        self._alone.close()
        self._alone.absorb(windows, now)
        self._before.clear()
        self._unsent.clear()
        at = now * 1_000_000
        self._charged = {
            debt: opened
            for debt, opened in self._charged.items()
            if at < ending(debt.period, debt.opened)
        }

    def close(self) -> None:
        """Forget everything."""
        self._alone.close()
        self._seen.clear()
        self._unsent.clear()
        self._windows.clear()
        self._before.clear()
        self._debts.clear()
        self._charged.clear()

    def _limit(self, account: str, draw: Draw, now: float) -> int:
        if draw.period is Period.WINDOW:
            used, until, opened = self._windows.get((account, draw.name), (0, 0.0, 0))
            share = self.of(draw.limit)
            if now >= until:
                return share
            if until > now + WINDOW_US / 1e6:  # the clock has been set back
                self._windows[account, draw.name] = (used, now + WINDOW_US / 1e6, opened)
            before = self._before.get((account, draw.name))
            if before is None:
                before = MOST - self._alone.look(account, draw.name, MOST, now).remaining
                self._before[account, draw.name] = before
            return min(share, before + self._part(max(0, draw.limit - used)))
        seen, _ = self._seen.get((account, draw.name), _UNSEEN)
        spent = seen.used if seen.opened == draw.begins else 0
        left = self.of(max(0, draw.limit - spent))
        # A window lets a request through that is larger than the share; a budget does not.
        return left if min(draw.amount, draw.limit) <= left else 0

    def _owe(self, debt: Debt, amount: int) -> None:
        self._debts[debt] = self._debts.get(debt, 0) + amount
