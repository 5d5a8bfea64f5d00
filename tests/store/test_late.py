"""Answers that come too late: in the end the server has counted what was admitted."""

from __future__ import annotations

import asyncio
from collections import Counter
from random import Random
from typing import NamedTuple

import pytest

import virtual
from callgate.core.limits import Draw, Level, Period, beginning
from callgate.core.quota import Correction, Grant
from callgate.store.counters.late import Late
from callgate.store.counters.remote import RemoteCounters
from callgate.store.counters.share import Debt
from store.simulated import SimulatedLink, SimulatedServer

WINDOW, SPEND = Draw("m", 30, 1), Draw("spend", 1000, 400, Period.DAY, 7)
TAKEN = Grant(None, (Level(100, 5), Level(7, 900)), 0)
REFUSED = Grant(1, (Level(100, 5), Level(7, 900)), 0)
ALONE = Grant(None, (Level(120, 1), Level(7, 500)), 0, exact=False)
TURNED_AWAY = Grant(0, (Level(120, 1), Level(7, 500)), 0, exact=False)
NO_LONGER = (
    (Debt("acme", "m", Period.WINDOW, 120), -1),
    (Debt("acme", "spend", Period.DAY, 7), -400),
)
PRICE_BACK = Correction("spend", Period.DAY, 7, -400)
PLACE_BACK = Correction("m", Period.WINDOW, 100, -1)


@pytest.mark.parametrize(
    ("server", "local", "owed", "corrections"),
    [
        (TAKEN, ALONE, NO_LONGER, ()),
        (TAKEN, TURNED_AWAY, (), (PLACE_BACK, PRICE_BACK)),
        (TAKEN, None, (), (PRICE_BACK,)),
        (REFUSED, ALONE, (), ()),
        (REFUSED, TURNED_AWAY, (), ()),
        (REFUSED, None, (), ()),
    ],
    ids=["both", "server alone", "nobody there", "process alone", "neither", "refused to nobody"],
)
def test_what_follows_from_both_words(
    server: Grant,
    local: Grant | None,
    owed: tuple[object, ...],
    corrections: tuple[object, ...],
) -> None:
    late = Late("acme", (WINDOW, SPEND))
    late.local, late.answer, late.abandoned = local, server, local is None
    assert late.ripe
    assert late.sequel() == (owed, corrections)


def test_corrections_before_the_answer_go_with_it_and_those_after_go_to_the_server() -> None:
    late = Late("acme", (WINDOW, SPEND))
    late.local = ALONE
    late.corrected([Correction("spend", Period.DAY, 7, -150)])
    assert not late.taken_over
    late.answer = TAKEN
    owed, corrections = late.sequel()
    assert dict(owed)[Debt("acme", "spend", Period.DAY, 7)] == -250
    assert corrections == (Correction("spend", Period.DAY, 7, -150),)
    assert late.taken_over
    moved = late.moved([Correction("m", Period.WINDOW, 120, -1)])
    assert moved == [Correction("m", Period.WINDOW, 100, -1)]


def test_what_is_too_much_in_a_window_that_is_over_is_not_given_back_in_the_next() -> None:
    async def main() -> None:
        server, loop = SimulatedServer(), asyncio.get_running_loop()
        counters = RemoteCounters(
            SimulatedLink(server, Random(1), 0.0),
            key=lambda account, name: f"{account}:{name}",
            process="0",
            processes="all",
            clock=loop.time,
        )
        await counters.start()
        tokens = Draw("t", 9000, 10)

        async def drawn(amount: int) -> Grant:
            return await counters.draw("a", [tokens.replace(amount=amount)], loop.time())

        while not (await drawn(10)).exact:
            await asyncio.sleep(1)
        await asyncio.sleep(45)
        server.frozen = loop.time() + 3
        await drawn(10)  # is answered late, and so counted by the server after all
        alone = await drawn(1000)
        assert not alone.exact
        await asyncio.sleep(5)
        assert counters.trouble is None
        await asyncio.sleep(15)
        while not (await drawn(50)).exact:  # by now in another window
            await asyncio.sleep(1)
        before = server.levels["a:t"]
        correction = Correction("t", Period.WINDOW, alone.levels[0].opened, -900)
        counters.settle("a", [correction], loop.time(), of=alone)
        await asyncio.sleep(1)
        assert server.levels["a:t"] == before
        await counters.stop()

    virtual.run(main())


class Outcome(NamedTuple):
    """What the server has counted by key and what was admitted; waits in seconds."""

    counted: dict[str, int]
    admitted: Counter[str]
    unknown: int
    alone: int
    waits: list[float]


async def traffic(seed: int, *, dying: float = 0.0, freezes: int = 2) -> Outcome:
    """Forty seconds of requests at three processes, then quiet until all is settled."""
    chance = Random(seed)
    server = SimulatedServer()
    loop = asyncio.get_running_loop()
    processes = [
        RemoteCounters(
            SimulatedLink(server, chance, 0.0),
            key=lambda account, name: f"{account}:{name}",
            process=str(at),
            processes="all",
            workers=3,
            clock=loop.time,
        )
        for at in range(3)
    ]
    await asyncio.gather(*(one.start() for one in processes))
    for one in processes:
        one._session._link._dying = dying  # type: ignore[attr-defined]
    day = beginning(Period.DAY, server.now())
    admitted: Counter[str] = Counter()
    waits: list[float] = []
    alone: list[bool] = []

    async def call() -> None:
        await asyncio.sleep(chance.uniform(0, 40))
        counters, account = chance.choice(processes), chance.choice("abcd")
        begun = loop.time()
        if chance.random() < 0.4:
            found = await counters.reserve(account, "m", 25, begun)
            waits.append(loop.time() - begun)
            alone.append(not found.exact)
            admitted[f"{account}:m"] += found.admitted
            return
        tokens, price = chance.randrange(1, 60), chance.randrange(1, 40)
        draws = [Draw("m", 25, 1), Draw("t", 700, tokens), Draw("s", 500, price, Period.DAY, day)]
        grant = await counters.draw(account, draws, begun)
        waits.append(loop.time() - begun)
        alone.append(not grant.exact)
        if grant.refused is not None:
            return
        await asyncio.sleep(chance.choice((0, 0.001, 0.2, 3)))
        real = (chance.randrange(tokens + 1), chance.randrange(2 * price))
        corrections = [
            Correction(draw.name, draw.period, level.opened, used - draw.amount)
            for draw, level, used in zip(draws[1:], grant.levels[1:], real, strict=True)
        ]
        counters.settle(account, corrections, loop.time(), of=grant)
        admitted[f"{account}:m"] += 1
        admitted[f"{account}:t"] += real[0]
        admitted[f"{account}:s"] += real[1]

    async def freeze() -> None:
        await asyncio.sleep(chance.uniform(0, 40))
        server.frozen = loop.time() + chance.uniform(0.03, 1.5)

    await asyncio.gather(*(call() for _ in range(260)), *(freeze() for _ in range(freezes)))
    for one in processes:
        one._session._link._dying = 0.0  # type: ignore[attr-defined]
    await asyncio.sleep(9)
    assert [one.trouble for one in processes] == [None] * 3
    counted = {key: level.used for key, level in server.levels.items()}
    for one in processes:
        await one.stop()
    return Outcome(counted, admitted, server.unknown, sum(alone), waits)


@pytest.mark.parametrize("seed", range(12))
def test_a_slow_server_has_counted_exactly_what_was_admitted(seed: int) -> None:
    found = virtual.run(traffic(seed))
    assert found.alone > 10
    assert found.counted == {key: found.admitted[key] for key in found.counted}


@pytest.mark.parametrize("seed", range(6))
def test_where_connections_die_nothing_is_ever_given_twice(seed: int) -> None:
    found = virtual.run(traffic(seed, dying=0.1))
    lost = {key: used - found.admitted[key] for key, used in found.counted.items()}
    places = [count for key, count in lost.items() if key.endswith(":m")]
    assert min(places) >= 0
    assert sum(places) <= found.unknown


@pytest.mark.parametrize("seed", range(3))
def test_nobody_waits_longer_than_50_ms(seed: int) -> None:
    found = virtual.run(traffic(seed, dying=0.1, freezes=5))
    assert max(found.waits) == pytest.approx(0.05, abs=1e-6)
