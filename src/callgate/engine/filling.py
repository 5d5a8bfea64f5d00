"""How full limits on tokens and money are, looked at now and then for whoever watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from callgate.core.allowance import Filled, Rule
from callgate.core.limits import Draw, beginning
from callgate.store.base import Counters

_MOST = 1000
_AT_ONCE = 50
_PAUSE_EVERY = 256
_SCOPES = ("account", "key", "model")


class Filling:
    """Asks the counters, and keeps what they said in `seen`. `met` gives the limits at a time.

    Of more than a thousand limits, those of accounts come first, then those of keys.
    """

    def __init__(
        self, counters: Counters, met: Callable[[float], Iterable[tuple[str, Rule]]]
    ) -> None:
        self.seen: Sequence[Filled] = ()
        self._counters = counters
        self._met = met

    async def look(self, now: float) -> None:
        """Ask anew; `now` is Unix seconds. No request waits for it."""
        seen: list[Filled] = []
        for account, found in (await self._wanted(now)).items():
            for first in range(0, len(found), _AT_ONCE):
                some = found[first : first + _AT_ONCE]
                draws = [_draw(rule, now) for rule in some]
                levels = await self._counters.levels(account, draws, now)
                seen += [
                    Filled(account, rule, level.used)
                    for rule, level in zip(some, levels, strict=False)
                ]
        self.seen = seen

    async def _wanted(self, now: float) -> dict[str, list[Rule]]:
        """Limits by account. Of two on one counter, as two keys may have them, the lower one."""
        counters: dict[tuple[str, str], Rule] = {}
        for number, (account, rule) in enumerate(self._met(now)):
            if number % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)  # with many keys and models this takes milliseconds
            known = counters.setdefault((account, rule.name), rule)
            if rule.limit < known.limit:
                counters[account, rule.name] = rule
        ordered = sorted(counters.items(), key=lambda counter: _SCOPES.index(counter[1].scope))
        wanted: dict[str, list[Rule]] = {}
        for (account, _), rule in ordered[:_MOST]:
            wanted.setdefault(account, []).append(rule)
        return wanted


def _draw(rule: Rule, now: float) -> Draw:
    begins = beginning(rule.period, int(now * 1_000_000))
    return Draw(rule.name, rule.limit, 0, rule.period, begins)
