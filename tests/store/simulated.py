"""A server that counts as the scripts say, and is slow, hangs or loses connections at will."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from callgate.core import limits
from callgate.core.limits import Draw, Level, Period
from callgate.store.counters.link import Command, LinkError
from callgate.store.counters.scripts import BEAT, DRAW, LEAVE, SETTLE


class SimulatedServer:
    """Counters by key. Until `frozen` (time of the loop) it does nothing of what it is asked."""

    def __init__(self) -> None:
        self.levels: dict[str, Level] = {}
        self.frozen = 0.0
        self.mark, self.present = b"mark", 3
        self.unknown = 0  # draws of which nobody heard whether they were done

    def now(self) -> int:
        return int(asyncio.get_running_loop().time() * 1e6)

    async def thawed(self) -> None:
        loop = asyncio.get_running_loop()
        while loop.time() < self.frozen:
            await asyncio.sleep(self.frozen - loop.time())

    def do(self, command: Command) -> Any:
        acts: dict[Any, Callable[[Command], Any]] = {DRAW: self._draw, SETTLE: self._settle}
        acts |= {BEAT: lambda _: [0, self.present, self.mark], LEAVE: lambda _: 1}
        return acts[command.script](command)

    def _draw(self, command: Command) -> list[int]:
        now, look, *said = map(int, command.arguments)
        now = now or self.now()
        draws = [
            Draw(key, limit, amount, Period.DAY if begins else Period.WINDOW, begins)
            for key, (begins, limit, amount) in zip(
                command.keys, zip(*[iter(said)] * 3, strict=True), strict=True
            )
        ]
        levels = [
            limits.current(self.levels.get(one.name, Level()), one.period, one.begins, now)
            for one in draws
        ]
        refused = limits.first_refused(levels, draws)
        if refused is None and not look:
            levels = [limits.drawn(*pair) for pair in zip(levels, draws, strict=True)]
        if not look:
            self.levels.update(zip(command.keys, levels, strict=True))
        answer = [0 if refused is None else refused + 1, now]
        for level in levels:
            answer += (level.opened, level.used, level.birth)
        return answer

    def _settle(self, command: Command) -> int:
        said = [int(one) for one in command.arguments]
        for key, opened, delta in zip(command.keys, said[::2], said[1::2], strict=True):
            if key in self.levels:
                self.levels[key] = limits.corrected(self.levels[key], opened, delta)
        return 0


class SimulatedLink:
    """`Link` to such a server. Of its writes some are slow, and a share `dying` gets no answer."""

    def __init__(self, server: SimulatedServer, chance: Random, dying: float) -> None:
        self.runs = 0
        self._server = server
        self._chance = chance
        self._dying = dying

    async def connect(self) -> None:
        await self._server.thawed()

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        self.runs += 1
        there, back = (self._way() for _ in range(2))
        await asyncio.sleep(there)
        await self._server.thawed()
        dies = self._chance.random() < self._dying
        draws = sum(one.script is DRAW for one in commands)
        if dies and self._chance.random() < 0.5:
            raise LinkError("the connection died on the way there")
        answers = [self._server.do(one) for one in commands]
        if dies:
            self._server.unknown += draws
            raise LinkError("the connection died on the way back")
        await asyncio.sleep(back)
        return answers

    def _way(self) -> float:
        slow = self._chance.random() < 0.15
        return self._chance.uniform(0.02, 0.4) if slow else self._chance.uniform(0.0001, 0.002)

    async def caution(self) -> None:
        pass

    async def servers(self) -> frozenset[str]:
        return frozenset()

    async def aclose(self) -> None:
        pass
