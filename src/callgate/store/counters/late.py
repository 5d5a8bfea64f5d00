"""Reservations that the server answered too late: counted there, but decided here.

A request waits for the server only so long; then the process decides by its share, while the
command is still under way. When the answer comes, one place has been dealt with twice, and this is
what becomes of it, so that the server has counted in the end what was admitted, no more, no less:

| the server | this process | what follows |
|---|---|---|
| admitted it | admitted it | it is owed no longer: the server's count stands, and is corrected |
| admitted it | refused it | the server gets back what nobody got |
| admitted it | decided nothing: the caller left | its tokens and its price are given back |
| refused it | admitted it | it is owed like all that is admitted alone, even above the limit |
| refused it | refused it | nothing |
| never answers | admitted it | it is owed; if the server did count it, one place is lost |
| never answers | refused it | nothing; if the server did count it, one place is lost |

"Never answers" is a connection that died: nobody knows what was done of what was sent on it. So
none is ever given twice.

A place that is given back belongs to the window that it was taken from: where that is over, nothing
is left to correct. Giving back is never repeated, for it is not known whether it was done.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from callgate.core.limits import Draw, Level
from callgate.core.quota import Correction, Grant
from callgate.store.counters.share import Debt

_REFUSED = Grant(0, (), 0)


class Sequel(NamedTuple):
    """What follows from a late answer: changes of what is owed, and corrections for the server."""

    owed: tuple[tuple[Debt, int], ...] = ()
    corrections: tuple[Correction, ...] = ()


_NOTHING = Sequel()


class Late:
    """A reservation of `account` that the server has yet to answer.

    `answer` is the server's word, `local` what this process decided; each None until it is there.
    `abandoned`: nobody waits for a decision any more.
    """

    __slots__ = ("_corrected", "abandoned", "account", "answer", "draws", "local")

    def __init__(self, account: str, draws: Sequence[Draw]) -> None:
        self.account = account
        self.draws = draws
        self.answer: Grant | None = None
        self.local: Grant | None = None
        self.abandoned = False
        self._corrected: dict[str, int] = {}

    @property
    def ripe(self) -> bool:
        """Whether both words are there. Until then whoever decides may take the server's."""
        return self.answer is not None and (self.local is not None or self.abandoned)

    @property
    def taken_over(self) -> bool:
        """Whether the server has counted what was admitted here, so that it gets corrections."""
        return (
            self.ripe
            and self.answer is not None
            and self.answer.refused is None
            and self.local is not None
            and self.local.refused is None
        )

    def refuse(self) -> None:
        """Whatever comes of the decision, nothing has been admitted yet."""
        self.local = _REFUSED

    def corrected(self, corrections: Sequence[Correction]) -> None:
        """Note what was corrected here before the answer came."""
        for one in corrections:
            self._corrected[one.name] = self._corrected.get(one.name, 0) + one.delta

    def moved(self, corrections: Sequence[Correction]) -> list[Correction]:
        """Corrections of what was admitted here, as they fit what the server has counted."""
        assert self.answer is not None
        opened = {
            draw.name: level.opened
            for draw, level in zip(self.draws, self.answer.levels, strict=True)
        }
        return [one.replace(opened=opened[one.name]) for one in corrections]

    def sequel(self) -> Sequel:
        """What follows, once, when both words are there."""
        if self.answer is None or self.answer.refused is not None:
            return _NOTHING
        if self.local is None:
            return Sequel(corrections=self._given_back(first=1))
        if self.local.refused is not None:
            return Sequel(corrections=self._given_back(first=0))
        pairs = zip(self.draws, self.local.levels, strict=True)
        done = [
            Correction(draw.name, draw.period, level.opened, delta)
            for draw, level in zip(self.draws, self.answer.levels, strict=True)
            if (delta := self._corrected.get(draw.name, 0))
        ]
        return Sequel(
            tuple(
                (
                    Debt(self.account, draw.name, draw.period, level.opened),
                    -_amount(draw) - self._corrected.get(draw.name, 0),
                )
                for draw, level in pairs
            ),
            tuple(done),
        )

    def _given_back(self, first: int) -> tuple[Correction, ...]:
        assert self.answer is not None
        return given_back(self.draws[first:], self.answer.levels[first:])


def given_back(draws: Sequence[Draw], levels: Sequence[Level]) -> tuple[Correction, ...]:
    """What undoes draws that have left counters at these levels."""
    return tuple(
        Correction(draw.name, draw.period, level.opened, -amount)
        for draw, level in zip(draws, levels, strict=True)
        if (amount := _amount(draw))
    )


def _amount(draw: Draw) -> int:
    return min(draw.amount, draw.limit)
