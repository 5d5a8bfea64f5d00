"""How long each deployment is waited for: the model's own settings, its provider's, the defaults.

A setting that nobody made is never at odds with one that somebody did: it gives way. Two that were
made and contradict each other are a mistake.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict
from typing import NamedTuple

import msgspec

from callgate.config.settings import TimeoutsTable
from callgate.core.models import Timeouts

_THOUGHT = frozenset(("reasoning_effort", "reasoning", "thinking"))
USUAL = Timeouts()
THINKING = Timeouts(headers=300.0, first_token=180.0, silence=120.0, total=900.0)
"""Of models that can think before they answer, which no provider shows for minutes."""


def usual(supported_parameters: Collection[str]) -> Timeouts:
    """The defaults of a model, by the parameters that it is known to honour."""
    return USUAL if _THOUGHT.isdisjoint(supported_parameters) else THINKING


class Wish(NamedTuple):
    """The timeouts that stand under a table of the file, such as `models.gpt-4.1`."""

    path: str
    table: TimeoutsTable

    def made(self) -> dict[str, float]:
        """The settings that somebody made."""
        return {
            phase: seconds
            for phase, seconds in msgspec.structs.asdict(self.table).items()
            if seconds is not None
        }

    def key(self, phase: str) -> str:
        """The setting's full name."""
        return f"{self.path}.timeouts.{phase}"


class _Limit(NamedTuple):
    seconds: float
    key: str


def resolved(wishes: Collection[Wish], defaults: Timeouts) -> tuple[Timeouts, list[str]]:
    """The timeouts by which one deployment is waited for, and every contradiction among them.

    Later wishes override earlier ones.
    """
    made = {
        phase: _Limit(seconds, wish.key(phase))
        for wish in wishes
        for phase, seconds in wish.made().items()
    }
    total = made.pop("total", _Limit(defaults.total, ""))
    values = {phase: min(seconds, total.seconds) for phase, seconds in asdict(defaults).items()}
    values |= {phase: limit.seconds for phase, limit in made.items()}
    values["total"] = total.seconds
    return Timeouts(**values), list(_too_long(made, total))


def _too_long(made: dict[str, _Limit], total: _Limit) -> Iterator[str]:
    for phase, limit in made.items():
        if limit.seconds > total.seconds:
            bound = total.key or f"the default of {limit.key.removesuffix(phase)}total"
            yield (
                f"{limit.key}: {limit.seconds:g} s could never elapse, because {bound} ends the "
                f"attempt after {total.seconds:g} s; raise that, or lower this"
            )
