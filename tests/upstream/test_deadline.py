"""One timer serves all deadlines."""

from __future__ import annotations

import asyncio
from math import inf
from time import monotonic

from callgate.upstream.deadline import Sweeper
from patience import PATIENCE, best_of


class Item:
    def __init__(self, sweeper: Sweeper, after: float) -> None:
        self.deadline = monotonic() + after
        self.sweeper = sweeper
        self.ended: float | None = None
        sweeper.items.add(self)
        if self.deadline < sweeper.wake:
            sweeper.hasten(self.deadline)

    def overdue(self, now: float) -> None:
        self.ended = now
        self.sweeper.discard(self)


@best_of(8)
async def test_each_ends_after_its_deadline_and_not_much_later():
    sweeper = Sweeper()
    items = [Item(sweeper, after) for after in (0.12, 0.03, 0.07, 0.05)]
    async with asyncio.timeout(PATIENCE):
        while any(item.ended is None for item in items):
            await asyncio.sleep(0.005)
    for item in items:
        assert item.ended is not None
        assert 0 <= item.ended - item.deadline < 0.1
    assert (sweeper.wake, sweeper._handle) == (inf, None)


@best_of(8)
async def test_deadline_that_moved_later_is_kept():
    sweeper = Sweeper()
    item = Item(sweeper, 0.03)
    item.deadline += 0.08
    await asyncio.sleep(0.06)
    assert item.ended is None
    async with asyncio.timeout(PATIENCE):
        while item.ended is None:
            await asyncio.sleep(0.005)
    assert item.ended >= item.deadline


@best_of(8)
async def test_overdue_item_that_stays_is_asked_again_at_the_tick():
    class Stubborn(Item):
        asked = 0

        def overdue(self, now: float) -> None:
            self.asked += 1

    sweeper = Sweeper()
    item = Stubborn(sweeper, 0.0)
    await asyncio.sleep(0.2)
    sweeper.discard(item)
    assert 2 <= item.asked <= 8


@best_of(8)
async def test_timer_sleeps_until_the_earliest_deadline():
    sweeper = Sweeper()
    far, near = Item(sweeper, 60.0), Item(sweeper, 30.0)
    assert 29 < sweeper.wake - monotonic() <= 30.1
    handle = sweeper._handle
    Item(sweeper, 40.0)
    assert sweeper._handle is handle
    for item in tuple(sweeper.items):
        sweeper.discard(item)
    assert sweeper._handle is None
    assert far.ended is near.ended is None


@best_of(8)
async def test_an_item_that_ends_early_leaves_the_others_their_deadlines():
    sweeper = Sweeper()
    early, kept = Item(sweeper, 0.02), Item(sweeper, 0.04)
    sweeper.discard(early)
    async with asyncio.timeout(PATIENCE):
        while kept.ended is None:
            await asyncio.sleep(0.005)
    assert early.ended is None
    assert 0 <= kept.ended - kept.deadline < 0.1


@best_of(8)
async def test_after_the_last_item_the_next_has_a_timer_again():
    sweeper = Sweeper()
    sweeper.discard(Item(sweeper, 0.04))
    assert (sweeper.wake, sweeper._handle) == (inf, None)
    later = Item(sweeper, 0.08)
    async with asyncio.timeout(PATIENCE):
        while later.ended is None:
            await asyncio.sleep(0.005)
    assert 0 <= later.ended - later.deadline < 0.1


async def test_a_deadline_that_is_over_is_looked_at_in_a_tick_and_not_in_this_moment():
    sweeper = Sweeper()
    before = monotonic()
    item = Item(sweeper, -1.0)
    assert sweeper.wake > before
    sweeper.discard(item)
