"""How full limits on tokens and money are, looked at now and then for whoever watches."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from callgate.core.allowance import Filled, Rule
from callgate.core.limits import Draw, beginning
from callgate.store.base import Counters

_MOST = 1000
_AT_ONCE, _TOGETHER = 50, 20  # limits of one question; questions that go out in one write
_PAUSE_EVERY = 256
_SCOPES = ("account", "key", "model")


class LimitLevels:
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
        """Ask again; `now` is Unix seconds. No request waits for it."""
        parts = [
            (account, found[first : first + _AT_ONCE])
            for account, found in (await self._wanted(now)).items()
            for first in range(0, len(found), _AT_ONCE)
        ]
        seen: list[Filled] = []
        for at in range(0, len(parts), _TOGETHER):
            asked = (self._asked(*part, now) for part in parts[at : at + _TOGETHER])
            for told in await asyncio.gather(*asked):
                seen += told
        self.seen = seen

    async def _asked(self, account: str, some: Sequence[Rule], now: float) -> list[Filled]:
        draws = [_draw(rule, now) for rule in some]
        levels = await self._counters.levels(account, draws, now)
        return [
            Filled(account, rule, level.used) for rule, level in zip(some, levels, strict=False)
        ]

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
