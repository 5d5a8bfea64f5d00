"""The arithmetic of fixed windows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.core.limits import (
    MOST,
    WINDOW_US,
    Level,
    Period,
    beginning,
    current,
    ending,
    expired,
    look,
    seeded,
    take,
)

NOW = 1_800_000_000_000_000
instants = st.integers(min_value=0, max_value=2**53)
counts = st.integers(min_value=0, max_value=1000)


def test_the_first_request_opens_the_window() -> None:
    assert take(0, 0, 5, NOW) == (True, NOW, 1)


def test_a_window_ends_after_exactly_its_length() -> None:
    assert take(NOW, 5, 5, NOW + WINDOW_US - 1) == (False, NOW, 5)
    assert take(NOW, 5, 5, NOW + WINDOW_US) == (True, NOW + WINDOW_US, 1)


def test_a_refused_request_is_not_counted() -> None:
    assert take(NOW, 7, 5, NOW + 1) == (False, NOW, 7)


def test_a_limit_of_zero_admits_nothing() -> None:
    assert take(0, 0, 0, NOW)[0] is False


def test_a_clock_stepping_back_pulls_the_window_back_and_keeps_its_count() -> None:
    back = NOW - 3600 * 1_000_000
    assert take(NOW, 3, 5, back) == (True, back, 4)
    assert current(Level(NOW, 3), Period.WINDOW, 0, back) == Level(back, 3)


@given(instants, counts, counts, instants)
def test_nobody_waits_longer_than_one_window(opened: int, used: int, limit: int, now: int) -> None:
    _, after, _ = take(opened, used, limit, now)
    assert now - WINDOW_US < after <= now


@given(instants, counts, counts, instants)
def test_looking_agrees_with_taking(opened: int, used: int, limit: int, now: int) -> None:
    admitted, taken_opened, taken_used = take(opened, used, limit, now)
    assert look(opened, used, now) == (taken_opened, taken_used - admitted)


@given(instants, counts, instants)
def test_an_expired_window_is_as_good_as_none(opened: int, used: int, now: int) -> None:
    now += WINDOW_US
    if expired(opened, now):
        assert take(opened, used, 3, now) == take(0, 0, 3, now)


@given(st.datetimes(datetime(1970, 1, 1), datetime(2500, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_month_begins_on_its_first_day(then: datetime) -> None:
    first = datetime(then.year, then.month, 1, tzinfo=UTC)
    now = int(then.timestamp() * 1_000_000)
    assert beginning(Period.MONTH, now) == int(first.timestamp()) * 1_000_000
    for period in (Period.DAY, Period.MONTH):
        begun = beginning(period, now)
        ends = ending(period, begun)
        assert beginning(period, ends) == ends
        assert beginning(period, ends - 1) == begun


DAY_US = 86_400_000_000


@pytest.mark.parametrize(
    ("period", "next_period"), [(Period.DAY, DAY_US), (Period.MONTH, 31 * DAY_US)]
)
def test_a_calendar_counter_of_the_future_begins_anew(period: Period, next_period: int) -> None:
    now = int(datetime(2026, 10, 9, 12, tzinfo=UTC).timestamp()) * 1_000_000
    begins = beginning(period, now)
    ahead = Level(begins + next_period, 5)
    assert current(ahead, period, begins, now) is ahead, "the next period may have begun elsewhere"
    assert current(Level(begins, 5), period, begins, now).used == 5
    wrong = Level(begins + next_period + DAY_US, 5)
    assert current(wrong, period, begins, now) == Level(begins, 0, now)


@pytest.mark.parametrize("period", [Period.DAY, Period.MONTH])
def test_a_calendar_counter_that_is_long_over_knows_nothing_of_what_was_spent(
    period: Period,
) -> None:
    now = int(datetime(2026, 10, 9, 12, tzinfo=UTC).timestamp()) * 1_000_000
    begins = beginning(period, now)
    before = Level(beginning(period, begins - 1), 5)
    assert current(before, period, begins, now) == Level(begins, 0), "nothing can be missing"
    behind = Level(beginning(period, 946_684_800_000_000), 5)  # 2000, as a clock begins to tell
    assert current(behind, period, begins, now) == Level(begins, 0, now)
    assert current(Level(), period, begins, now) == Level(begins, 0, now)


def test_a_window_has_its_length_and_no_calendar() -> None:
    assert beginning(Period.WINDOW, NOW) == 0
    assert ending(Period.WINDOW, NOW) == NOW + WINDOW_US


def test_a_budget_told_again_of_more_than_can_be_counted_is_full() -> None:
    assert seeded(Level(NOW, 5), NOW, 2**66, again=True) == Level(NOW, MOST)


def test_leap_years_have_a_29th_of_february() -> None:
    for year in (1999, 2000, 2024, 2100):
        last = int(datetime(year, 3, 1, tzinfo=UTC).timestamp() * 1_000_000) - 1
        first = int(datetime(year, 2, 1, tzinfo=UTC).timestamp()) * 1_000_000
        assert beginning(Period.MONTH, last) == first
