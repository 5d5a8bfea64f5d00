"""Slots of the table that processes share: whose they are, and that no other's are touched."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest

from callgate.core.limits import Draw, Period, beginning
from callgate.errors import GatewayError
from callgate.store.counters.mapped import MappedCounters

NOW = 1_800_000_000.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.table"


async def test_a_budget_that_is_told_what_was_spent_takes_nothing_from_its_neighbours(
    path: Path,
) -> None:
    counters = MappedCounters(path, slots=3)
    now = int(NOW * 1_000_000)
    day, month = (beginning(period, now) for period in (Period.DAY, Period.MONTH))
    spend = Draw("spend", 9, 9, Period.DAY, day)
    await counters.draw("rich", [spend], NOW)
    assert (await counters.reserve("busy", "m", 1, NOW)).admitted
    for name, fits in (("one", True), ("more", False)):
        with nullcontext() if fits else pytest.raises(GatewayError):
            await counters.seed("acme", name, Period.MONTH, month, 5, NOW)
    assert not (await counters.peek("busy", "m", 1, NOW)).admitted
    assert [one.used for one in await counters.levels("rich", [spend], NOW)] == [9]
    counters.close()


async def test_a_slot_that_was_lost_before_it_was_locked_is_not_drawn_from(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = MappedCounters(path, slots=1), MappedCounters(path, slots=1)
    tokens = [Draw("tokens", 10, 4)]
    assert (await one.draw("a", tokens, NOW)).refused is None
    assert (await other.draw("b", tokens, NOW + 61)).refused is None
    search, stale = one._slots.search, [0]
    monkeypatch.setattr(one._slots, "search", lambda key: stale.pop() if stale else search(key))
    with pytest.raises(GatewayError, match="full"):
        await one.draw("a", tokens, NOW + 62)
    assert not stale
    assert [one.used for one in await other.levels("b", tokens, NOW + 62)] == [4]
    one.close()
    other.close()
