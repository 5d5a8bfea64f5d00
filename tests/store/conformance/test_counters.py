"""What `Counters` promise, whatever keeps them."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.errors import GatewayError
from callgate.store.base import Counters, Quota

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
