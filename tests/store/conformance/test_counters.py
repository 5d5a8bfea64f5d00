"""What `Counters` promise, whatever keeps them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.core.limits import MOST, Draw, Period
from callgate.core.quota import Correction, Quota
from callgate.errors import GatewayError
from callgate.store.base import Counters

NOW = 1_800_000_000.0
Make = Callable[[Path, int], Counters]


async def test_a_window_admits_exactly_its_limit_and_counts_down(counters: Counters) -> None:
    quotas = [await counters.reserve("acme", "m", 3, NOW + second) for second in range(5)]
    assert quotas == [
        Quota(True, 3, 2, NOW + 60),
        Quota(True, 3, 1, NOW + 60),
        Quota(True, 3, 0, NOW + 60),
        Quota(False, 3, 0, NOW + 60),
        Quota(False, 3, 0, NOW + 60),
    ]


async def test_a_new_window_opens_with_the_first_request_after_the_old(counters: Counters) -> None:
    await counters.reserve("acme", "m", 1, NOW)
    assert not (await counters.reserve("acme", "m", 1, NOW + 59.999)).admitted
    assert await counters.reserve("acme", "m", 1, NOW + 75) == Quota(True, 1, 0, NOW + 135)


async def test_accounts_and_models_do_not_share_windows(counters: Counters) -> None:
    pairs = [
        ("a", "b"),
        ("b", "a"),
        ("ab", ""),
        ("", "ab"),
        ("a\0b", "c"),
        ("a", "b\0c"),
        ("ä", "😀"),
    ]
    for account, model in pairs:
        assert await counters.reserve(account, model, 1, NOW) == Quota(True, 1, 0, NOW + 60)
    for account, model in pairs:
        assert not (await counters.reserve(account, model, 1, NOW)).admitted


async def test_keys_of_one_account_share_its_window_under_limits_of_their_own(
    counters: Counters,
) -> None:
    for _ in range(3):
        await counters.reserve("acme", "m", 5, NOW)
    assert await counters.reserve("acme", "m", 2, NOW) == Quota(False, 2, 0, NOW + 60)
    assert await counters.reserve("acme", "m", 5, NOW) == Quota(True, 5, 1, NOW + 60)


async def test_peeking_takes_nothing(counters: Counters) -> None:
    assert await counters.peek("acme", "m", 2, NOW) == Quota(True, 2, 2, NOW + 60)
    await counters.reserve("acme", "m", 2, NOW)
    for _ in range(3):
        assert await counters.peek("acme", "m", 2, NOW + 1) == Quota(True, 2, 1, NOW + 60)
    await counters.reserve("acme", "m", 2, NOW)
    assert await counters.peek("acme", "m", 2, NOW + 1) == Quota(False, 2, 0, NOW + 60)
    assert await counters.peek("acme", "m", 2, NOW + 60) == Quota(True, 2, 2, NOW + 120)


async def test_a_limit_of_zero_admits_nothing(counters: Counters) -> None:
    assert await counters.reserve("acme", "m", 0, NOW) == Quota(False, 0, 0, NOW + 60)


async def test_concurrent_reserves_admit_exactly_the_limit(counters: Counters) -> None:
    quotas = await asyncio.gather(*(counters.reserve("acme", "m", 30, NOW) for _ in range(200)))
    assert sorted(quota.remaining for quota in quotas if quota.admitted) == list(range(30))


async def test_a_clock_that_steps_back_locks_nobody_out_for_longer_than_a_window(
    counters: Counters,
) -> None:
    for _ in range(2):
        await counters.reserve("acme", "m", 2, NOW)
    back = NOW - 86_400
    assert await counters.peek("acme", "m", 2, back) == Quota(False, 2, 0, back + 60)
    assert await counters.reserve("acme", "m", 2, back) == Quota(False, 2, 0, back + 60)
    assert (await counters.reserve("acme", "m", 2, back + 60)).admitted


async def test_more_windows_than_there_is_room_for_are_refused_until_some_expire(
    make_bounded: Make, tmp_path: Path
) -> None:
    counters = make_bounded(tmp_path, 8)
    for number in range(8):
        assert (await counters.reserve(f"a{number}", "m", 1, NOW)).admitted
    with pytest.raises(GatewayError) as told:
        await counters.reserve("one too many", "m", 1, NOW)
    assert told.value.kind.type == "limits_unavailable"
    assert not (await counters.reserve("a3", "m", 1, NOW + 59)).admitted
    for number in range(8):
        assert (await counters.reserve(f"b{number}", "m", 1, NOW + 60)).admitted
    counters.close()


async def test_windows_from_before_the_clock_stepped_back_make_room_in_the_end(
    make_bounded: Make, tmp_path: Path
) -> None:
    counters = make_bounded(tmp_path, 4)
    for number in range(4):
        await counters.reserve(f"a{number}", "m", 1, NOW)
    now = NOW - 86_400
    for _ in range(4):
        with pytest.raises(GatewayError):
            await counters.reserve("b", "m", 1, now)
    for number in range(4):
        assert (await counters.reserve(f"b{number}", "m", 1, now + 60)).admitted
    counters.close()


Ask = Callable[[Counters, str, float], Awaitable[bool]]


async def reserved(counters: Counters, account: str, now: float) -> bool:
    return (await counters.reserve(account, "m", 9, now)).admitted


async def drawn(counters: Counters, account: str, now: float) -> bool:
    return (await counters.draw(account, [Draw("m", 9, 1)], now)).refused is None


async def spent(counters: Counters, account: str, now: float) -> bool:
    day = int(now) // 60  # a day of a minute is as good as any
    draw = Draw("m", 9, 1, Period.DAY, day * 86_400_000_000)
    return (await counters.draw(account, [draw], day * 86_400.0 + 3600)).refused is None


async def test_one_request_can_draw_on_all_that_there_is_room_for(
    make_bounded: Make, tmp_path: Path
) -> None:
    counters = make_bounded(tmp_path, 4)
    draws = [Draw(f"limit {number}", 5, 1) for number in range(4)]
    grant = await counters.draw("acme", draws, NOW)
    assert [level.used for level in grant.levels] == [1, 1, 1, 1]
    counters.close()


@pytest.mark.parametrize("ask", [reserved, drawn, spent])
async def test_no_counter_takes_the_room_of_one_whose_time_is_over(
    make_bounded: Make, tmp_path: Path, ask: Ask
) -> None:
    counters = make_bounded(tmp_path, 2)
    for account, second in (("a", 0), ("b", 1), ("a", 2)):
        assert await ask(counters, account, NOW + second)
    with pytest.raises(GatewayError) as told:
        await ask(counters, "c", NOW + 59)
    assert told.value.kind.type == "limits_unavailable"
    # The first to have been opened ends first, used since or not, and opened again it is the last.
    for account, second in (("c", 60), ("b", 61), ("d", 120)):
        assert await ask(counters, account, NOW + second), account
    counters.close()


class Model:
    """The simplest thing that could be right: every admission, in a list.

    Where the clock steps back, more than one answer is right: a window may have been pulled back
    to any time that was told since it opened, and one that has been seen to end may be forgotten.
    """

    def __init__(self) -> None:
        self.admitted: dict[tuple[str, str], list[float]] = {}
        self.opened: dict[tuple[str, str], int] = {}
        self.told: list[float] = []

    def windows(self, place: tuple[str, str], now: float) -> list[list[float]]:
        self.told.append(now)
        taken = self.admitted.get(place)
        if not taken:
            return [[]]
        since = self.told[self.opened[place] :]
        begun = {min(taken[0], one, now) for one in since}
        known = [[one, *taken[1:]] for one in begun if now - one < 60]
        forgotten = max(since) - min(since) >= 60
        return known + [[]] * (forgotten or not known)

    def peek(self, place: tuple[str, str], limit: int, now: float, told: Quota) -> bool:
        for taken in self.windows(place, now):
            left = max(limit - len(taken), 0)
            if told == Quota(left > 0, limit, left, (taken[0] if taken else now) + 60):
                return True
        return False

    def reserve(self, place: tuple[str, str], limit: int, now: float, told: Quota) -> bool:
        for window in self.windows(place, now):
            admitted = len(window) < limit
            taken = [*window, now] if admitted else window
            if told == Quota(admitted, limit, max(limit - len(taken), 0), taken[0] + 60):
                self.admitted[place] = taken
                if not window:
                    self.opened[place] = len(self.told) - 1
                return True
        return False


steps = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "reserve", "reserve", "peek"]),
        st.sampled_from([("a", "m"), ("a", "n"), ("b", "m")]),
        st.integers(min_value=1, max_value=4),
        # Sixty-fourths of a second are exact as floats.
        st.sampled_from([0, 0, 0, 1, 64, 30 * 64, 60 * 64 - 1, 60 * 64, 61 * 64, -1, -90 * 64]),
    ),
    max_size=60,
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps)
def test_counters_do_as_the_model_does(make_counters: Make, steps: list[tuple]) -> None:
    async def walk(folder: Path) -> None:
        counters = make_counters(folder, 16)
        await counters.start()
        model, now = Model(), NOW
        for operation, place, limit, advance in steps:
            now += advance / 64
            told = await getattr(counters, operation)(*place, limit, now)
            assert getattr(model, operation)(place, limit, now, told), told
        await counters.stop()
        counters.close()

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(walk(Path(folder)))


TODAY = int(NOW) * 1_000_000 - int(NOW) * 1_000_000 % 86_400_000_000
REQUEST = Draw("m", 5, 1)
TOKENS = Draw("tokens", 100, 40)
SPEND = Draw("spend", 1000, 300, Period.DAY, TODAY)


async def test_all_of_a_draw_is_taken_or_nothing(counters: Counters) -> None:
    draws = [REQUEST, TOKENS, SPEND]
    for taken in (1, 2):
        grant = await counters.draw("acme", draws, NOW)
        assert grant.refused is None
        assert [level.used for level in grant.levels] == [taken, 40 * taken, 300 * taken]
    grant = await counters.draw("acme", draws, NOW)
    assert grant.refused == 1
    assert [level.used for level in grant.levels] == [2, 80, 600]
    assert (await counters.peek("acme", "m", 5, NOW)).remaining == 3  # one window for both
    later = await counters.draw("acme", draws, NOW + 60)
    assert [level.used for level in later.levels] == [1, 40, 900]
    assert later.levels[0].opened == (NOW + 60) * 1_000_000
    assert (await counters.draw("acme", draws, NOW + 120)).refused == 2


async def test_what_exceeds_a_whole_limit_draws_the_whole_limit(counters: Counters) -> None:
    huge = TOKENS.replace(amount=10**9)
    assert (await counters.draw("acme", [huge], NOW)).levels[0].used == 100
    assert (await counters.draw("acme", [TOKENS.replace(amount=0)], NOW)).refused == 0
    assert (await counters.draw("b", [TOKENS.replace(limit=0)], NOW)).refused == 0


async def test_a_reservation_is_corrected_within_its_own_period_only(counters: Counters) -> None:
    grant = await counters.draw("acme", [TOKENS, SPEND], NOW)
    window, day = (level.opened for level in grant.levels)
    corrections = [
        Correction("tokens", Period.WINDOW, window, -31),
        Correction("spend", Period.DAY, day, 50),
    ]
    counters.settle("acme", corrections, NOW)
    nothing = [TOKENS.replace(amount=0), SPEND.replace(amount=0)]
    grant = await counters.draw("acme", nothing, NOW + 1)
    assert [level.used for level in grant.levels] == [9, 350]
    counters.settle("acme", [Correction("tokens", Period.WINDOW, window - 1, -9)], NOW)
    counters.settle("acme", [Correction("spend", Period.DAY, day, -9999)], NOW)
    counters.settle("acme", [Correction("none", Period.WINDOW, window, -9)], NOW)
    grant = await counters.draw("acme", nothing, NOW + 1)
    assert [level.used for level in grant.levels] == [9, 0]


async def test_looking_at_counters_takes_nothing_of_them(counters: Counters) -> None:
    draws = [TOKENS, SPEND, SPEND.replace(name="untouched")]

    async def levels(now: float, *wanted: Draw) -> list[int]:
        return [level.used for level in await counters.levels("acme", wanted or draws, now)]

    assert await levels(NOW) == [0, 0, 0]
    await counters.draw("acme", draws[:2], NOW)
    for _ in range(2):
        assert await levels(NOW + 1) == [40, 300, 0]
    tomorrow = SPEND.replace(begins=TODAY + 86_400_000_000)
    assert await levels(NOW + 86_400, TOKENS, tomorrow) == [0, 0]
    assert (await counters.draw("acme", [SPEND], NOW + 61)).levels[0].used == 600
    assert [level.used for level in await counters.levels("b", draws, NOW)] == [0, 0, 0]


async def test_concurrent_draws_take_exactly_what_there_is(counters: Counters) -> None:
    draws = [REQUEST.replace(limit=1000), TOKENS.replace(amount=7), SPEND.replace(amount=1)]
    grants = await asyncio.gather(*(counters.draw("acme", draws, NOW) for _ in range(100)))
    assert sum(grant.refused is None for grant in grants) == 14
    assert max(grant.levels[1].used for grant in grants) == 98


async def test_a_usage_beyond_all_measure_only_fills_the_counter(counters: Counters) -> None:
    opened = (await counters.draw("acme", [SPEND], NOW)).levels[0].opened
    for _ in range(2):
        counters.settle("acme", [Correction("spend", Period.DAY, opened, 2**66)], NOW)
        grant = await counters.draw("acme", [SPEND], NOW)
        assert (grant.refused, grant.levels[0].used) == (0, MOST)
    told = SPEND.replace(name="told")
    await counters.draw("acme", [told.replace(amount=0)], NOW)
    assert await counters.seed("acme", "told", Period.DAY, TODAY, 2**66, NOW)
    assert (await counters.draw("acme", [told], NOW)).levels[0].used == MOST
