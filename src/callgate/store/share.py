"""What one process may admit on its own while the server that counts for all is away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from callgate.core.limits import Draw, Level, Period, ending
from callgate.store.base import Correction, Grant, Quota
from callgate.store.memory import MemoryCounters

_MOST_REMEMBERED = 100_000


class Debt(NamedTuple):
    """What was taken of a counter without the server's knowing. `opened` is its period's start."""

    account: str
    name: str
    period: Period
    opened: int


class Share:
    """Limits divided by the number of processes; the remainder goes to the first of them.

    `place` is this process's among all `processes`, from 0. Of a limit above 0 each process has at
    least 1, lest a caller whose connection has led to the wrong one get nothing at all. Of a
    budget, what was left when the server was last heard is divided; of a window that it has
    called full, nothing is left until the window's end.
    """

    def __init__(self, workers: int) -> None:
        self.place = 0
        self.processes = workers
        self._workers = workers
        self._alone = MemoryCounters()
        self._seen: dict[tuple[str, str], Level] = {}
        self._full: dict[tuple[str, str], tuple[int, float]] = {}
        self._debts: dict[Debt, int] = {}

    def of(self, limit: int) -> int:
        """This process's share of a limit."""
        whole, rest = divmod(limit, max(self.processes, self._workers))
        return max(whole + (self.place < rest), min(limit, 1))

    def look(self, account: str, draw: Draw, now: float) -> Quota:
        """The window as it stands within the share, nothing taken."""
        share = self._limit(account, draw, now)
        return self._alone.look(account, draw.name, share, now)._replace(
            limit=draw.limit, exact=False
        )

    def draw(self, account: str, draws: Sequence[Draw], now: float) -> Grant:
        """All of these or none, each within the share. Levels show what is left of the share."""
        shares = [draw._replace(limit=self._limit(account, draw, now)) for draw in draws]
        grant = self._alone.take_all(account, shares, now)
        levels = []
        for draw, share, level in zip(draws, shares, grant.levels, strict=True):
            if grant.refused is None:
                debt = Debt(account, draw.name, draw.period, level.opened)
                self._owe(debt, min(draw.amount, draw.limit))
            left = max(0, share.limit - level.used)
            levels.append(Level(level.opened, draw.limit - left))
        return grant._replace(levels=tuple(levels), exact=False)

    def settle(self, account: str, corrections: Sequence[Correction], now: float) -> None:
        """Correct what was drawn here."""
        self.correct(account, corrections, now)
        for name, period, opened, delta in corrections:
            self._owe(Debt(account, name, period, opened), delta)

    def correct(self, account: str, corrections: Sequence[Correction], now: float) -> None:
        """Correct what was drawn here and is not owed, as the server has counted it as well."""
        self._alone.settle(account, corrections, now)

    def full(self, account: str, name: str, used: int, until: float) -> None:
        """Note that the server has counted so many in a window that ends at `until` (Unix seconds).

        Keys of one account may have different limits.
        """
        if len(self._full) >= _MOST_REMEMBERED:
            self._full.clear()
        self._full[account, name] = (used, until)

    def remember(self, account: str, draws: Sequence[Draw], levels: Sequence[Level]) -> None:
        """Note how budgets stand on the server."""
        for draw, level in zip(draws, levels, strict=True):
            if draw.period is not Period.WINDOW:
                if len(self._seen) >= _MOST_REMEMBERED:
                    self._seen.clear()
                self._seen[account, draw.name] = level

    def debts(self, now: float) -> list[tuple[Debt, int]]:
        """What has to be charged to the server now that it is back; each is given once."""
        debts, self._debts = self._debts, {}
        at = now * 1_000_000
        return [
            (debt, amount)
            for debt, amount in debts.items()
            if amount and at < ending(debt.period, debt.opened)
        ]

    def owe(self, debts: Sequence[tuple[Debt, int]]) -> None:
        """Take debts back that could not be paid; less than nothing lowers them."""
        for debt, amount in debts:
            self._owe(debt, amount)

    def rejoin(self) -> None:
        """The server counts again. Windows that were counted here stay: it may go once more."""
        self._alone.forget_calendar()

    def close(self) -> None:
        """Forget everything."""
        self._alone.close()
        self._seen.clear()
        self._full.clear()
        self._debts.clear()

    def _limit(self, account: str, draw: Draw, now: float) -> int:
        if draw.period is Period.WINDOW:
            used, until = self._full.get((account, draw.name), (0, 0.0))
            return 0 if now < until and used >= draw.limit else self.of(draw.limit)
        seen = self._seen.get((account, draw.name))
        spent = seen.used if seen is not None and seen.opened == draw.begins else 0
        left = self.of(max(0, draw.limit - spent))
        # A window lets a request through that is larger than the share; a budget does not.
        return left if min(draw.amount, draw.limit) <= left else 0

    def _owe(self, debt: Debt, amount: int) -> None:
        self._debts[debt] = self._debts.get(debt, 0) + amount
