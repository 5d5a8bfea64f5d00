"""By which time old records are deleted when the clock is set."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from socket import socket
from typing import cast

import pytest

from callgate.cli.roles import roles
from callgate.server import clerk
from callgate.server.child import Signs
from callgate.server.retention import Calendar
from configured import OPENAI, loaded

START = 1_800_000_000.0
DAY = 86_400.0


@pytest.fixture
def calendar() -> Calendar:
    return Calendar(START, 50.0)


@pytest.mark.parametrize("off", [0.0, 3599.0, -10 * DAY])
def test_it_follows_the_clock_back_and_in_small_steps_ahead(calendar: Calendar, off: float) -> None:
    assert calendar.now(START + 60 + off, 110.0) == START + 60 + off
    assert calendar.now(START + 120 + off, 170.0) == START + 120 + off


def test_a_jump_ahead_is_believed_after_a_day_and_told_once(
    calendar: Calendar, caplog: pytest.LogCaptureFixture
) -> None:
    jump = 40 * DAY
    for passed in (60.0, DAY, DAY + 59):
        assert calendar.now(START + passed + jump, 50.0 + passed) == START + passed
    assert [record.getMessage()[:27] for record in caplog.records] == [
        "the clock has jumped ahead:"
    ]
    passed = DAY + 60
    assert calendar.now(START + passed + jump, 50.0 + passed) == START + passed + jump


def test_a_clock_that_is_set_right_again_is_followed_at_once(calendar: Calendar) -> None:
    calendar.now(START + 60 + 40 * DAY, 110.0)
    assert calendar.now(START + 120, 170.0) == START + 120
    assert calendar.now(START + DAY + 120, DAY + 170.0) == START + DAY + 120
    calendar.now(START + 2 * DAY + 40 * DAY, 2 * DAY + 50.0)  # again: there is a day from then on
    assert calendar.now(START + 2.5 * DAY + 40 * DAY, 2.5 * DAY + 50.0) == START + 2.5 * DAY


def test_a_further_jump_ahead_is_not_believed_with_the_first(calendar: Calendar) -> None:
    calendar.now(START + 60 + DAY, 110.0)
    calendar.now(START + DAY + 400 * DAY, DAY + 50.0)
    assert calendar.now(START + DAY + 60 + 400 * DAY, DAY + 110.0) == START + DAY + 60
    assert calendar.now(START + 402 * DAY, 2 * DAY + 50.0) == START + 402 * DAY


def test_every_clerk_of_a_gateway_goes_by_the_time_at_which_that_began(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, calendar: Calendar
) -> None:
    """One that begins after a jump, as on a reload, would delete by it at once."""
    told: list[Calendar] = []
    monkeypatch.setattr(clerk, "keep_books", lambda books, *_: told.append(books.calendar))
    for _ in range(2):
        with closing(socket()) as listener:
            (role,) = (
                one
                for one in roles(loaded(tmp_path, OPENAI), listener, 1, calendar)
                if one.name == "clerk"
            )
            role.run(cast("Signs", None))
    assert told[0] is told[1] is calendar


def test_time_that_the_machine_slept_is_no_jump(calendar: Calendar) -> None:
    assert calendar.now(START + 40 * DAY, 50.0 + 40 * DAY) == START + 40 * DAY
