"""The race of two attempts: one answer, and nothing of the other left behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from callgate.core.chat import Usage
from callgate.core.http import Origin
from callgate.core.models import Deployment, Model, Vendor
from callgate.core.record import Attempt
from callgate.core.secret import Secret
from callgate.core.target import Target
from callgate.engine.call import Call
from callgate.engine.hedge import Race, Runner
from callgate.errors import GatewayError
from patience import best_of

ONE = Deployment(
    id="one",
    provider="p",
    vendor=Vendor(name="p", dialect="openai"),
    upstream_model="x",
    origin=Origin("http", "127.0.0.1", 80),
    path="/v1",
    secret=Secret(""),
)
TWO = replace(ONE, id="two")
MODEL = Model(name="m", deployments=(ONE, TWO))
AWAY = GatewayError("provider_unavailable", "away")
FILTERED = GatewayError("content_filtered", "no")


class Opened:
    """An answer that has to be closed by whoever does not want it."""

    closed = False

    def __enter__(self) -> Opened:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


class Course:
    """Two runners that take so many seconds each and then answer or fail."""

    def __init__(self) -> None:
        self.call = Call("id", 0.0, "POST", "/")
        self.begun: list[str] = []
        self.ended: list[str] = []

    def runner(self, deployment: Deployment, seconds: float, outcome: object) -> Runner[Any]:
        async def go() -> object:
            name = deployment.id
            self.begun.append(name)
            attempt = Attempt(
                model="m", provider="p", deployment=name, upstream_model="x", host="h", started_us=0
            )
            self.call.attempts.append(attempt)
            self.call.target = Target(MODEL, deployment)
            try:
                await asyncio.sleep(seconds)
                if isinstance(outcome, Exception):
                    raise outcome
                self.call.usage = Usage(
                    input_tokens=len(self.begun), output_tokens=1, total_tokens=2
                )
                return outcome
            except asyncio.CancelledError:
                attempt.error = "client_disconnected"
                self.call.usage = None
                raise
            finally:
                self.call.upstream_ns += 10**12
                self.ended.append(name)

        return Runner(Target(MODEL, deployment), go)

    def race(
        self, first: tuple[float, object], second: tuple[float, object] | None, delay: float = 0.01
    ) -> Race[Any]:
        async def rival() -> Runner[Any] | None:
            return None if second is None else self.runner(TWO, *second)

        def final(error: GatewayError) -> bool:
            return error is FILTERED

        return Race(self.call, self.runner(ONE, *first), delay, rival, final)


def last(course: Course) -> Attempt:
    return course.call.attempts[-1]


async def test_who_is_fast_enough_runs_alone() -> None:
    course = Course()
    assert await course.race((0, "a"), (0, "b"), delay=5).run() == "a"
    assert course.begun == ["one"]


@best_of(5)
async def test_the_second_wins_and_the_first_is_broken_off() -> None:
    course = Course()
    race = course.race((5, "a"), (0, "b"))
    assert await race.run() == "b"
    assert race.winner is race.second
    assert race.broken_off is race.first
    assert course.ended == ["two", "one"]
    lost = course.call.attempts[0]
    assert (lost.deployment, lost.error, lost.decision) == ("one", None, "lost the race")
    assert last(course).deployment == "two"
    assert course.call.target == Target(MODEL, TWO)
    assert course.call.usage == Usage(
        input_tokens=2, output_tokens=1, total_tokens=2
    )  # of the answer that counts
    assert course.call.upstream_ns < 10**10  # both at once, counted once
    counted, until = course.call.upstream_ns, course.call.upstream_until
    now = course.call.count_upstream(course.call.started)  # as a winner does that goes on
    assert course.call.upstream_ns == counted + now - until


@best_of(5)
async def test_the_first_may_win_after_all() -> None:
    course = Course()
    race = course.race((0.03, "a"), (5, "b"))
    assert await race.run() == "a"
    assert course.call.target == Target(MODEL, ONE)
    assert last(course).deployment == "one"
    assert course.call.attempts[0].reason == "one answered first"


@pytest.mark.parametrize(
    ("first", "second"), [((0.03, AWAY), (0.06, "b")), ((0.06, "b"), (0, AWAY))]
)
@best_of(5)
async def test_one_failure_leaves_it_to_the_other(
    first: tuple[float, object], second: tuple[float, object]
) -> None:
    course = Course()
    race = course.race(first, second)
    assert await race.run() == "b"
    assert [error for error, _ in race.unheard()] == [AWAY]
    assert race.broken_off is None


@best_of(5)
async def test_if_both_fail_the_first_ones_failure_is_told() -> None:
    course, other = Course(), GatewayError("upstream_cut", "cut")
    race = course.race((0.03, AWAY), (0, other))
    with pytest.raises(GatewayError) as caught:
        await race.run()
    assert caught.value is AWAY
    assert last(course).deployment == "one"
    assert [error for error, _ in race.unheard()] == [other]


@best_of(5)
async def test_a_failure_that_ends_the_request_ends_the_race() -> None:
    course = Course()
    with pytest.raises(GatewayError) as caught:
        await course.race((0.03, FILTERED), (5, "b")).run()
    assert caught.value is FILTERED
    assert course.ended == ["one", "two"]


@best_of(5)
async def test_nobody_to_ask_leaves_the_first_alone() -> None:
    course = Course()
    assert await course.race((0.03, "a"), None).run() == "a"
    assert course.call.notes == []


@best_of(5)
async def test_two_answers_at_once_leave_none_open() -> None:
    course, mine, late = Course(), Opened(), Opened()
    race = course.race((5, mine), (5, late))
    go_on = asyncio.Event()

    def at_once(deployment: Deployment, answer: Opened) -> Callable[[], Coroutine[Any, Any, Any]]:
        async def go() -> Opened:
            course.runner(deployment, 0, answer)
            await go_on.wait()
            return answer

        return go

    race.first = Runner(Target(MODEL, ONE), at_once(ONE, mine))

    async def rival() -> Runner[Any]:
        asyncio.get_running_loop().call_later(0.01, go_on.set)
        return Runner(Target(MODEL, TWO), at_once(TWO, late))

    race._rival = rival
    assert await race.run() is mine
    assert (mine.closed, late.closed) == (False, True)


async def test_the_caller_who_leaves_ends_both() -> None:
    course = Course()
    running = asyncio.create_task(course.race((5, "a"), (5, "b")).run())
    while len(course.begun) < 2:
        await asyncio.sleep(0.002)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert sorted(course.ended) == ["one", "two"]
    assert {one.error for one in course.call.attempts} == {"client_disconnected"}
    # Both were waited for at the same time, which counts once.
    assert 0 < course.call.upstream_ns <= time.perf_counter_ns() - course.call.started


async def test_the_caller_who_leaves_while_the_loser_is_stopped_leaves_nothing_open() -> None:
    course, won = Course(), Opened()
    stopping, go_on = asyncio.Event(), asyncio.Event()

    async def slow_to_stop() -> None:
        try:
            await asyncio.sleep(5)
        finally:
            stopping.set()
            await go_on.wait()

    race = course.race((5, "a"), (0, won))
    race.first = Runner(Target(MODEL, ONE), slow_to_stop)
    running = asyncio.create_task(race.run())
    await stopping.wait()
    running.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert won.closed
    assert race.first.task is not None
    assert race.first.task.done()


@best_of(5)
async def test_whoever_a_failure_broke_off_is_not_said_to_have_lost_its_caller() -> None:
    course = Course()
    with pytest.raises(GatewayError):
        await course.race((0.03, FILTERED), (5, "b")).run()
    other = course.call.attempts[0]
    assert (other.deployment, other.error) == ("two", None)
    assert (other.decision, other.reason) == ("lost the race", "one failed for good")


async def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        await Course().race((0.03, ZeroDivisionError()), (5, "b")).run()
