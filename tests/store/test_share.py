"""What a process may admit on its own, and where it is settled once the server is back."""

from __future__ import annotations

import pytest

from callgate.core.limits import Draw, Level, Period
from callgate.core.quota import Correction, Quota
from callgate.store.counters.share import Debt, Share, Standing

NOW = 100_000_000
DAY = 86_400_000_000
ONE = Draw("m", 12, 1)
TOKENS = Draw("tokens", 6000, 300)
SPEND = Draw("spend", 600, 30, Period.DAY, DAY)


def share(place: int = 0, processes: int = 6) -> Share:
    made = Share(1)
    made.place, made.processes = place, processes
    return made


def admitted(one: Share, draw: Draw, now: float) -> int:
    return sum(one.draw("acme", [draw], now).refused is None for _ in range(50))


@pytest.mark.parametrize(
    ("used", "shares"),
    [
        (0, [2] * 6),
        (1, [2, 2, 2, 2, 2, 1]),
        (10, [1, 1, 0, 0, 0, 0]),
        (12, [0] * 6),
        (40, [0] * 6),  # a key of the account with a higher limit
    ],
)
def test_processes_that_know_a_window_admit_what_was_left_of_it(
    used: int, shares: list[int]
) -> None:
    those = [share(place) for place in range(6)]
    for one in those:
        one.counted("acme", "m", used, until=160.0, opened=100)
    assert [admitted(one, ONE, 105.0) for one in those] == shares


def test_the_server_can_be_told_of_windows_that_are_not_over() -> None:
    one = share()
    one.counted("acme", "over", 3, until=120.0, opened=60_000_000)
    one.counted("acme", "m", 5, until=160.0, opened=100_000_000)
    one.counted("acme", "unused", 0, until=160.0, opened=100_000_000)
    assert one.standings(130.0) == [Standing("acme", "m", Period.WINDOW, 100_000_000, 5)]


def test_what_the_server_is_told_to_correct_is_no_longer_used() -> None:
    one = share()
    one.counted("acme", "tokens", 900, until=160.0, opened=100_000_000)
    for opened, delta in ((100_000_000, -600), (40_000_000, -200)):
        one.amend("acme", [Correction("tokens", Period.WINDOW, opened, delta)])
    assert one.standings(130.0) == [Standing("acme", "tokens", Period.WINDOW, 100_000_000, 300)]
    one.amend("acme", [Correction("tokens", Period.WINDOW, 100_000_000, -301)])
    assert one.standings(130.0) == []


def test_what_the_server_is_to_correct_once_it_is_back_is_still_used_there() -> None:
    one = share()
    one.heard("acme", [SPEND, TOKENS], [Level(DAY, 240), Level(NOW, 900)], ahead=0.0)
    for correction in (
        Correction("spend", Period.DAY, DAY, -100),
        Correction("spend", Period.DAY, 2 * DAY, -9),  # of another day
        Correction("tokens", Period.WINDOW, NOW, -600),
    ):
        one.amend("acme", [correction], sent=False)
    assert [told.used for told in one.standings(130.0)] == [900, 240]
    one.rejoin(130.0)  # it has corrected that
    assert [told.used for told in one.standings(130.0)] == [300, 140]


@pytest.mark.parametrize(
    ("ends", "kept"),
    [((110, 115, 170, 175, 180), ["2", "3", "4"]), ((130, 160, 170, 175, 180), ["4"])],
    ids=["those that are over", "all, as too few are"],
)
def test_what_is_forgotten_to_make_room(
    monkeypatch: pytest.MonkeyPatch, ends: tuple[float, ...], kept: list[str]
) -> None:
    monkeypatch.setattr("callgate.store.counters.share._MOST_REMEMBERED", 4)
    one = share()
    for number, until in enumerate(ends):
        one.counted("acme", str(number), 1, until, 1)
    assert [told.name for told in one.standings(0)] == kept


def test_a_window_that_has_ended_is_divided_anew() -> None:
    one = share()
    one.counted("acme", "m", 12, until=160.0, opened=100)
    assert admitted(one, ONE, 159.9) == 0
    assert admitted(one, ONE, 160.0) == 2


def test_a_clock_that_is_set_back_puts_no_end_of_a_window_off_by_more_than_a_minute() -> None:
    one = share()
    one.counted("acme", "m", 12, until=7260.0, opened=100)
    for now in (7200.0, 3600.0, 3659.9):
        assert admitted(one, ONE, now) == 0
    assert admitted(one, ONE, 3660.0) == 2


def test_a_draw_and_a_look_tell_what_is_left_of_the_share() -> None:
    one = share()
    assert one.look("acme", ONE, 100.0) == Quota(True, 12, 2, 160.0, exact=False)
    grants = [one.draw("acme", [ONE], 100.0) for _ in range(3)]
    assert [grant.refused for grant in grants] == [None, None, 0]
    assert [grant.levels[0] for grant in grants] == [Level(NOW, used) for used in (11, 12, 12)]
    assert not any(grant.exact for grant in grants)
    # A window lets through what is larger than the share.
    assert admitted(share(), Draw("tokens", 12, 7), 100.0) == 1
    assert share().draw("acme", [Draw("m", 0, 1)], 100.0).refused == 0


def test_counters_are_divided_as_they_were_heard_to_stand() -> None:
    one, tomorrow = share(), SPEND.replace(begins=2 * DAY)
    one.heard("acme", [SPEND, ONE], [Level(DAY, 240), Level(NOW, 10)], ahead=5.0)
    window = Standing("acme", "m", Period.WINDOW, NOW, 10)
    day = Standing("acme", "spend", Period.DAY, DAY, 240)
    assert one.standings(164.9) == [window, day]
    assert one.standings(165.0) == [day]
    assert one.standings(2 * DAY / 1e6) == []
    assert admitted(one, SPEND.replace(amount=61), 90_000.0) == 0
    assert admitted(one, SPEND, 90_000.0) == 2  # of 360 left
    assert admitted(one, tomorrow, 180_000.0) == 3  # of 600
    one.heard("acme", [tomorrow], [Level(2 * DAY, 700)], ahead=0.0)
    assert admitted(one, tomorrow, 180_000.0) == 0


def test_of_a_window_that_it_knows_nothing_of_each_process_has_at_least_one() -> None:
    assert [admitted(share(place), Draw("m", 2, 1), 100.0) for place in (0, 5)] == [1, 1]


def test_what_is_left_counts_by_the_server_once_it_was_charged() -> None:
    one = share()
    assert admitted(one, ONE, 100.0) == 2
    ((debt, amount),) = one.debts(101.0)
    assert amount == 2
    assert one.paid(debt, Level(opened=95_000_000, used=7), ahead=0.0) == []
    one.rejoin(101.0)
    assert admitted(one, ONE, 110.0) == 0  # it has had its share of this minute
    assert admitted(one, ONE, 160.0) == 2


def test_going_alone_again_it_has_its_part_of_what_is_left_then_within_its_share() -> None:
    one = share()
    wide = ONE.replace(limit=60)
    one.counted("acme", "m", 50, until=160.0, opened=100_000_000)
    assert admitted(one, wide, 105.0) == 2  # of ten
    for debt, _ in one.debts(106.0):
        one.paid(debt, Level(opened=100_000_000, used=53), ahead=0.0)
    one.rejoin(106.0)
    assert admitted(one, wide, 110.0) == 2  # of seven
    for debt, _ in one.debts(111.0):
        one.paid(debt, Level(opened=100_000_000, used=0), ahead=0.0)
    one.rejoin(111.0)
    assert admitted(one, wide, 112.0) == 6  # ten is its share of all, four of them taken


def test_what_was_charged_is_corrected_in_the_window_that_was_charged() -> None:
    one = share()
    (level,) = one.draw("acme", [TOKENS], 100.0).levels
    (owed,) = one.debts(101.0)
    assert owed == (Debt("acme", "tokens", Period.WINDOW, level.opened), 300)
    one.paid(owed[0], Level(opened=70_000_000, used=900), ahead=0.0)
    one.rejoin(101.0)
    unused = Correction("tokens", Period.WINDOW, level.opened, -250)
    assert one.settle("acme", [unused], 102.0) == [unused.replace(opened=70_000_000)]
    assert one.debts(102.0) == []


def test_what_turns_out_while_it_is_charged_is_corrected_after_it() -> None:
    one = share()
    (level,) = one.draw("acme", [TOKENS], 100.0).levels
    ((debt, _),) = one.debts(101.0)
    unused = Correction("tokens", Period.WINDOW, level.opened, -250)
    assert one.settle("acme", [unused], 101.0) == []
    assert one.debts(101.0) == []
    assert one.settle("acme", [unused], 101.0) == []
    back = one.paid(debt, Level(opened=70_000_000, used=900), ahead=0.0)
    assert back == [unused.replace(opened=70_000_000)]


def test_what_was_not_charged_yet_is_charged_as_it_turned_out() -> None:
    one = share()
    (level,) = one.draw("acme", [TOKENS], 100.0).levels
    one.settle("acme", [Correction("tokens", Period.WINDOW, level.opened, -250)], 100.5)
    assert one.debts(101.0) == [(Debt("acme", "tokens", Period.WINDOW, level.opened), 50)]


def test_what_is_owed_is_charged_once_while_its_period_lasts() -> None:
    one = share()
    one.draw("acme", [TOKENS.replace(limit=12)], 100.0)
    one.draw("acme", [SPEND], 100_000.0)
    debts = [
        (Debt("acme", "tokens", Period.WINDOW, NOW), 12),
        (Debt("acme", "spend", Period.DAY, DAY), 30),
    ]
    assert one.debts(159.9) == debts
    assert one.debts(159.9) == []
    one.owe(debts)
    assert one.debts(160.0) == debts[1:]
    one.owe(debts)
    assert one.debts(172_800.0) == []
    one.draw("acme", [TOKENS], 100.0)
    one.settle("acme", [Correction("tokens", Period.WINDOW, NOW, -300)], 100.0)
    assert one.debts(100.0) == []


def test_of_a_budget_what_was_charged_too_much_is_owed_back() -> None:
    one = share()
    one.draw("acme", [SPEND], 100_000.0)
    ((debt, _),) = one.debts(100_000.0)
    assert one.paid(debt, Level(DAY, 700), ahead=0.0) == []
    assert one.settle("acme", [Correction("spend", Period.DAY, DAY, -20)], 100_000.0) == []
    assert one.debts(100_000.0) == [(debt, -20)]


def test_more_than_was_drawn_since_is_taken_back_in_the_window_that_was_charged() -> None:
    one = share()
    one.draw("acme", [TOKENS], 100.0)
    ((debt, _),) = one.debts(101.0)
    one.paid(debt, Level(opened=70_000_000, used=900), ahead=0.0)
    one.draw("acme", [TOKENS], 102.0)
    assert one.settle("acme", [Correction("tokens", Period.WINDOW, NOW, -500)], 102.0) == []
    assert one.debts(102.0) == [(debt._replace(opened=70_000_000), -200)]


def test_what_turns_out_to_be_unused_can_be_drawn_again() -> None:
    one = share()
    assert admitted(one, TOKENS, 100.0) == 3
    one.settle("acme", [Correction("tokens", Period.WINDOW, NOW, -200)], 100.0)
    assert admitted(one, TOKENS, 100.0) == 1


def test_of_a_window_that_is_over_nothing_is_corrected_any_more() -> None:
    one = share()
    one.draw("acme", [TOKENS], 100.0)
    ((debt, _),) = one.debts(101.0)
    one.paid(debt, Level(opened=NOW, used=900), ahead=0.0)
    unused = Correction("tokens", Period.WINDOW, NOW, -250)
    one.rejoin(159.9)
    assert one.settle("acme", [unused], 159.9) == [unused]
    one.rejoin(160.0)
    assert one.settle("acme", [unused], 160.0) == []
