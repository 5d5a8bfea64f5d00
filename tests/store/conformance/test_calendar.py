"""What `Counters` promise of days and months, whatever keeps them, and whatever clocks say."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.core.limits import MOST, Draw, Level, Period, beginning
from callgate.core.quota import Correction, Grant
from callgate.errors import GatewayError
from callgate.store.base import Counters
from patience import PATIENCE
from redisserver import RedisServer
from store.conftest import remote

NOW = 1_800_000_000.0
DAY_US = 86_400_000_000
TODAY = int(NOW) * 1_000_000 - int(NOW) * 1_000_000 % DAY_US
SPEND = Draw("spend", 1000, 300, Period.DAY, TODAY)
Make = Callable[[Path, int], Counters]


async def test_a_day_begins_anew_and_never_goes_back(counters: Counters) -> None:
    tomorrow, then = SPEND.replace(begins=TODAY + DAY_US), NOW + 86_400
    for draw, now, used in (
        (SPEND, NOW, 300), (tomorrow, then, 300), (SPEND, then, 600), (tomorrow, then, 900),
    ):  # fmt: skip
        grant = await counters.draw("acme", [draw], now)
        assert grant.levels[0].used == used


async def test_a_budget_is_told_once_what_went_before_it(counters: Counters) -> None:
    grant = await counters.draw("acme", [SPEND], NOW)
    assert grant.levels[0].birth == NOW * 1_000_000
    counters.settle("acme", [Correction("spend", Period.DAY, TODAY, -100)], NOW)
    assert await counters.seed("acme", "spend", Period.DAY, TODAY, 500, NOW)
    assert not await counters.seed("acme", "spend", Period.DAY, TODAY, 500, NOW)
    grant = await counters.draw("acme", [SPEND], NOW)
    assert (grant.refused, grant.levels[0]) == (None, Level(TODAY, 1000, 0))
    # Of the next day it knows that nothing was before.
    tomorrow, then = SPEND.replace(begins=TODAY + DAY_US), NOW + 86_400
    grant = await counters.draw("acme", [tomorrow], then)
    assert grant.levels[0].birth == 0
    assert await counters.seed("b", "spend", Period.DAY, TODAY, 900, NOW)
    assert (await counters.draw("b", [SPEND], NOW)).refused == 0
    assert await counters.seed("b", "spend", Period.DAY, tomorrow.begins, 100, then)
    (level,) = await counters.levels("b", [tomorrow], then)
    assert level == Level(tomorrow.begins, 100)


async def test_a_budget_that_a_clock_far_behind_has_opened_is_told_what_was_spent(
    counters: Counters,
) -> None:
    await counters.draw("acme", [SPEND.replace(begins=TODAY - 33 * DAY_US)], NOW)
    grant = await counters.draw("acme", [SPEND], NOW)
    assert grant.levels[0] == Level(TODAY, 300, int(NOW * 1_000_000))
    for days, knows in ((32, True), (65, False)):
        later, now = SPEND.replace(begins=TODAY + days * DAY_US), NOW + days * 86_400
        grant = await counters.draw("acme", [later], now)
        assert grant.levels[0].birth == (0 if knows else int(now * 1_000_000))


async def test_a_budget_that_a_clock_far_ahead_has_opened_begins_anew_and_is_told_what_was_spent(
    counters: Counters,
) -> None:
    ahead = SPEND.replace(begins=TODAY + 366 * DAY_US)
    await counters.draw("acme", [ahead], NOW + 366 * 86_400)
    grant = await counters.draw("acme", [SPEND], NOW)
    assert grant.levels[0] == Level(TODAY, 300, int(NOW * 1_000_000))
    await counters.draw("b", [ahead], NOW + 366 * 86_400)
    assert (await counters.levels("b", [SPEND], NOW))[0].opened == TODAY


async def test_a_budget_that_was_not_drawn_on_is_told_again_what_was_spent(
    counters: Counters,
) -> None:
    await counters.draw("acme", [SPEND], NOW)
    assert await counters.seed("acme", "spend", Period.DAY, TODAY, 200, NOW)
    for amount, told, used in ((450, False, 500), (500, False, 500), (700, True, 700)):
        seeded = await counters.seed("acme", "spend", Period.DAY, TODAY, amount, NOW, again=True)
        (level,) = await counters.levels("acme", [SPEND], NOW)
        assert (seeded, level) == (told, Level(TODAY, used, 0))
    assert not await counters.seed("acme", "spend", Period.DAY, TODAY, 900, NOW)
    yesterday = TODAY - DAY_US
    assert not await counters.seed("acme", "spend", Period.DAY, yesterday, 9000, NOW, again=True)
    assert await counters.seed("acme", "new", Period.DAY, TODAY, 600, NOW, again=True)
    new = SPEND.replace(name="new")
    assert (await counters.draw("acme", [new], NOW)).levels[0] == Level(TODAY, 900, 0)


async def test_a_clock_set_back_over_midnight_begins_no_budget_anew(
    make_bounded: Make, tmp_path: Path
) -> None:
    counters, midnight = make_bounded(tmp_path, 8), TODAY / 1_000_000

    async def ask(now: float) -> bool:
        begins = beginning(Period.DAY, int(now * 1_000_000))
        draw = Draw("spend", 10, 10, Period.DAY, begins)
        return (await counters.draw("acme", [draw], now)).refused is None

    assert await ask(midnight + 1)
    for number in range(9):  # which look for room wherever there may be some
        with suppress(GatewayError):
            await counters.reserve(f"a{number}", "m", 1, midnight - 1)
    for second in (-0.5, 0.5, 86_399):
        assert not await ask(midnight + second)
    assert await ask(midnight + 86_400)
    counters.close()


async def test_budgets_of_a_clock_that_was_far_ahead_make_room(
    make_bounded: Make, tmp_path: Path
) -> None:
    counters = make_bounded(tmp_path, 1)
    ahead = SPEND.replace(begins=TODAY + 366 * DAY_US)
    assert (await counters.draw("acme", [ahead], NOW + 366 * 86_400)).refused is None
    assert (await counters.draw("b", [SPEND], NOW)).refused is None
    counters.close()


@pytest.mark.parametrize("days", [1, 40, 366])
async def test_a_gateway_whose_clock_is_ahead_counts_in_the_day_of_all_others(
    redis_server: RedisServer, days: int
) -> None:
    now, account = time.time(), str(uuid4())

    def spend(ahead: float) -> list[Draw]:
        begins = beginning(Period.DAY, int((now + ahead) * 1e6))
        return [Draw("spend", 900, 300, Period.DAY, begins)]

    counters = remote(redis_server.url, timeout=PATIENCE)
    await counters.start()
    try:
        for ahead, refused in ((0, None), (days * 86_400, None), (0, None), (days * 86_400, 0)):
            grant = await counters.draw(account, spend(ahead), now + ahead)
            assert grant.refused == refused
            assert grant.levels[0].opened == spend(0)[0].begins
        tomorrow = spend(days * 86_400)[0].begins
        assert not await counters.seed(account, "spend", Period.DAY, tomorrow, 5, now)
        other = f"{account} of one who was there first"
        for ahead in (days * 86_400, 0):
            (level,) = (await counters.draw(other, spend(ahead), now + ahead)).levels
            assert (level.opened, level.used) == (spend(ahead)[0].begins, 300)
            assert level.birth
    finally:
        await counters.stop()
        counters.close()


class Books:
    """What counters have to say, in plain words: of each name, what was taken since it began."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[int, int, int]] = {}

    def stand(self, draw: Draw, now: int) -> tuple[int, int, int]:
        opened, used, birth = self.open.get(draw.name, (0, 0, 0))
        if draw.period is Period.WINDOW:
            return (now, 0, 0) if now >= opened + 60_000_000 else (min(opened, now), used, 0)
        if draw.begins > opened:
            return draw.begins, 0, 0 if opened and draw.begins <= opened + 32 * DAY_US else now
        return opened, used, birth

    def draw(self, draws: list[Draw], now: int) -> Grant:
        stood = [self.stand(draw, now) for draw in draws]
        full = [
            used >= draw.limit or used + min(draw.amount, draw.limit) > draw.limit
            for draw, (_, used, _) in zip(draws, stood, strict=True)
        ]
        for at, (draw, (opened, used, birth)) in enumerate(zip(draws, stood, strict=True)):
            taken = 0 if any(full) else min(draw.amount, draw.limit)
            self.open[draw.name] = stood[at] = (opened, used + taken, birth)
        refused = full.index(True) if any(full) else None
        return Grant(refused, tuple(Level(*one) for one in stood), now)

    def settle(self, correction: Correction) -> None:
        opened, used, birth = self.open.get(correction.name, (0, 0, 0))
        if correction.name in self.open and opened == correction.opened:
            self.open[correction.name] = (opened, max(0, used + correction.delta), birth)

    def seed(self, name: str, begins: int, amount: int, *, again: bool) -> bool:
        opened, used, birth = self.open.get(name, (0, 0, 0))
        if opened > begins or (opened == begins and not birth and not (again and amount > used)):
            return False
        known = used if opened == begins and birth else 0
        self.open[name] = (begins, known + amount, 0)
        return True


PERIODS = {"requests": Period.WINDOW, "tokens": Period.WINDOW, "day": Period.DAY, "m": Period.MONTH}
moves = st.lists(
    st.tuples(
        st.sampled_from(["draw", "draw", "draw", "settle", "settle", "seed", "again"]),
        st.lists(st.sampled_from(list(PERIODS)), min_size=1, max_size=4, unique=True),
        st.sampled_from([3, 1000, 10**6]),  # the limit of all of them
        st.sampled_from([0, 1, 40, 300]),
        # By how many seconds the clock goes on, or is set.
        st.sampled_from(
            [0, 0, 0, 0.5, 30, 60, 3600, 40_000, 86_400, 35 * 86_400, -0.5, -59, -1800]
        ),
    ),
    max_size=40,
)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=moves)
def test_what_is_drawn_settled_and_told_is_counted_as_the_books_have_it(
    make_counters: Make, moves: list[tuple]
) -> None:
    async def walk(folder: Path) -> None:
        counters, books, now = make_counters(folder, 64), Books(), NOW
        await counters.start()
        taken: list[tuple[Draw, Level]] = []
        for move, names, limit, amount, passed in moves:
            now += passed
            at = int(now * 1_000_000)
            of = {name: beginning(period, at) for name, period in PERIODS.items()}
            draws = [Draw(one, limit, amount, PERIODS[one], of[one]) for one in names]
            if passed < 0:  # all that is open sees it
                draws = [Draw(one, MOST, 0, PERIODS[one], of[one]) for one in PERIODS]
            if move == "draw" or passed < 0:
                grant = await counters.draw("a", draws, now)
                assert grant == books.draw(draws, at)
                if grant.refused is None:
                    taken += zip(draws, grant.levels, strict=True)
            elif move == "settle" and taken:
                draw, level = taken.pop(amount % len(taken))
                delta = amount - min(draw.amount, draw.limit)
                correction = Correction(draw.name, draw.period, level.opened, delta)
                counters.settle("a", [correction], now)
                books.settle(correction)
            elif move in ("seed", "again"):
                told = ("day", Period.DAY, of["day"], amount)
                seeded = await counters.seed("a", *told, now, again=move == "again")
                assert seeded is books.seed("day", of["day"], amount, again=move == "again")
        await counters.stop()
        counters.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(walk(Path(folder)))
