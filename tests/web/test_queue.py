"""The line at the door: bounded, fair, and no place is ever lost."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.errors import GatewayError
from callgate.web.queue import Queue
from patience import PATIENCE


async def pause() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_first_come_first_served() -> None:
    queue, order = Queue(1, 10, PATIENCE), list[int]()

    async def visit(number: int) -> None:
        await queue.enter()
        order.append(number)
        await pause()
        queue.leave()

    async with asyncio.TaskGroup() as group:
        for number in range(8):
            group.create_task(visit(number))
    assert order == list(range(8))
    assert (queue.taken, queue.waiting) == (0, 0)


async def test_a_place_that_is_passed_on_cannot_be_snatched() -> None:
    queue = Queue(1, 10, PATIENCE)
    await queue.enter()
    patient = asyncio.create_task(queue.enter())
    await pause()
    queue.leave()
    assert queue.taken == queue.places  # to whoever comes now the gateway is still full
    await patient
    queue.leave()
    assert queue.taken == 0


async def test_a_full_line_turns_away_at_once_and_says_when_to_come_back() -> None:
    queue = Queue(1, 1, 5)
    await queue.enter()
    patient = asyncio.create_task(queue.enter())
    await pause()
    with pytest.raises(GatewayError, match="1 requests are in progress, 1 are waiting"):
        queue.check()
    with pytest.raises(GatewayError) as caught:
        await queue.enter()
    assert caught.value.kind.type == "overloaded"
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 5
    patient.cancel()


async def test_who_is_sent_away_waits_as_long_as_the_first_in_line_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [100.0]
    monkeypatch.setattr("callgate.web.queue.monotonic", lambda: clock[0])
    queue = Queue(1, 1, 5)
    await queue.enter()
    patient = asyncio.create_task(queue.enter())
    await pause()
    for clock[0], seconds in ((100.2, 1.0), (103.5, 3.5), (109.0, 5.0)):
        with pytest.raises(GatewayError) as caught:
            queue.check()
        assert caught.value.retry_after == seconds
    patient.cancel()


async def test_where_nobody_may_wait_a_free_place_is_given_and_a_full_gateway_refuses() -> None:
    queue = Queue(1, 0, 5)
    queue.check()
    await queue.enter()
    with pytest.raises(GatewayError, match="0 are waiting") as caught:
        queue.check()
    assert caught.value.retry_after == 1.0


async def test_who_waits_too_long_is_sent_away_and_leaves_no_trace() -> None:
    queue = Queue(1, 5, 0.02)
    await queue.enter()
    with pytest.raises(GatewayError, match="No place was free"):
        await queue.enter()
    assert queue.waiting == 0
    queue.leave()
    assert queue.taken == 0


async def test_who_leaves_is_removed_from_the_line() -> None:
    queue = Queue(1, 5, PATIENCE)
    await queue.enter()
    gone, patient = (asyncio.create_task(queue.enter()) for _ in range(2))
    await pause()
    gone.cancel()
    await pause()
    assert queue.waiting == 1
    assert gone.cancelled()  # and not sent away as one for whom no place was free
    queue.leave()
    await asyncio.wait_for(patient, PATIENCE)


async def test_who_is_called_up_and_leaves_in_the_same_moment_passes_the_place_on() -> None:
    queue = Queue(1, 5, PATIENCE)
    await queue.enter()
    gone, patient = (asyncio.create_task(queue.enter()) for _ in range(2))
    await pause()
    queue.leave()
    gone.cancel()
    await asyncio.wait_for(patient, PATIENCE)
    queue.leave()
    assert (queue.taken, queue.waiting) == (0, 0)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from("ecl"), max_size=40), st.integers(1, 3), st.integers(0, 4))
def test_whatever_happens_places_are_neither_lost_nor_made(
    steps: str, places: int, length: int
) -> None:
    async def play() -> None:
        queue = Queue(places, length, PATIENCE)
        visits: list[asyncio.Task[None]] = []
        holders = 0
        for step in steps:
            if step == "e":
                visits.append(asyncio.create_task(queue.enter()))
            elif step == "c" and visits:
                visits[len(visits) // 2].cancel()
            elif step == "l" and holders:
                holders -= 1
                queue.leave()
            if step != "c":  # a cancellation and what follows it fall into one moment
                await pause()
            for visit in [one for one in visits if one.done()]:
                visits.remove(visit)
                holders += not visit.cancelled() and visit.exception() is None
            assert queue.taken <= places
            assert queue.waiting <= length
        await pause()
        while holders or visits:
            for visit in [one for one in visits if one.done()]:
                visits.remove(visit)
                holders += not visit.cancelled() and visit.exception() is None
            if holders:
                holders -= 1
                queue.leave()
            await pause()
        assert (queue.taken, queue.waiting) == (0, 0)

    asyncio.run(play())
