"""What is said to a server that counts, in the words of its scripts, and what it answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from callgate.core.limits import MOST, Draw, Level, Period
from callgate.core.quota import Correction, Grant
from callgate.store.counters.link import Command
from callgate.store.counters.scripts import DRAW, RESTORE, SEED, SETTLE
from callgate.store.counters.share import Debt, Standing

_DRAWS = 2  # where the draws begin in what DRAW is told; of each the third is the amount


class Commands:
    """`key` gives the key of a counter from account and name.

    With `own_clock` the time is what callers say (Unix seconds), else the server's.
    """

    def __init__(self, key: Callable[[str, str], str], *, own_clock: bool) -> None:
        self._key = key
        self._own_clock = own_clock

    def draw(self, account: str, draws: Sequence[Draw], now: float, *, look: bool) -> Command:
        """Take all of these or none; nothing where it is but a look."""
        said: list[int | str] = [self._time(now), int(look)]
        for one in draws:
            said += (one.begins, one.limit, one.amount)
        return Command(DRAW, tuple(self._key(account, one.name) for one in draws), tuple(said))

    def nothing(self, refused: Command) -> Command:
        """As a reservation that was refused, but of nothing."""
        said = [
            0 if at >= _DRAWS and at % 3 == 1 else one for at, one in enumerate(refused.arguments)
        ]
        return refused._replace(arguments=tuple(said))

    def charge(self, owed: tuple[Debt, int], now: float) -> Command:
        """Count what was taken without the server's knowing, whatever the limit."""
        (account, name, period, opened), amount = owed
        if amount < 0 and period is Period.WINDOW:
            return self.settle(account, [Correction(name, period, opened, amount)])
        begins = 0 if period is Period.WINDOW else opened
        return self.draw(account, [Draw(name, MOST, amount, period, begins)], now, look=False)

    def settle(self, account: str, corrections: Sequence[Correction]) -> Command:
        """Correct what was drawn."""
        keys = tuple(self._key(account, one.name) for one in corrections)
        said = tuple(part for one in corrections for part in (one.opened, one.delta))
        return Command(SETTLE, keys, said)

    def seed(
        self, account: str, name: str, begins: int, amount: int, now: float, *, again: bool
    ) -> Command:
        """Tell a calendar counter what was spent before its birth."""
        said = (self._time(now), begins, amount, int(again))
        return Command(SEED, (self._key(account, name),), said)

    def restore(self, known: Standing, now: float, mark: str) -> Command:
        """Tell how a counter stood; the server's `mark` is the one that it has now."""
        calendar = int(known.period is not Period.WINDOW)
        said = (self._time(now), known.opened, known.used, calendar, mark)
        return Command(RESTORE, (self._key(known.account, known.name),), said)

    def _time(self, now: float) -> int:
        return int(now * 1_000_000) if self._own_clock else 0


def granted(said: Sequence[int], count: int) -> Grant:
    """What the server answers to so many draws."""
    refused, at, *words = said
    levels = tuple(Level(*words[first : first + 3]) for first in range(0, 3 * count, 3))
    return Grant(refused - 1 if refused else None, levels, at)
