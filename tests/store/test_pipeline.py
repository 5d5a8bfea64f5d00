"""How long a request waits for the server that counts, in virtual time: no machine is too slow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

import virtual
from callgate.core.limits import Draw
from callgate.store.counters.link import Command, LinkError
from callgate.store.counters.remote import RemoteCounters
from store.simulated import SimulatedLink, SimulatedServer

LONGEST = 0.05


class TimedLink(SimulatedLink):
    """Answers after as many seconds as `lasting` says, and is read in a few turns of the loop."""

    lasting = 0.001
    nonsense = False

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        self.runs += 1
        await asyncio.sleep(self.lasting)
        for _ in range(3):
            await asyncio.sleep(0)
        return [None if self.nonsense else self._server.do(one) for one in commands]


@asynccontextmanager
async def counting(link: TimedLink) -> AsyncIterator[RemoteCounters]:
    counters = RemoteCounters(
        link,
        key=lambda account, name: f"{account}:{name}",
        process="one",
        processes="all",
        timeout=LONGEST,
        clock=asyncio.get_running_loop().time,
    )
    await counters.start()
    link.runs = 0
    yield counters
    link.lasting = 0.001
    await counters.stop()


async def waited(asking: Any) -> float:
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await asking
    return loop.time() - begun


def made() -> TimedLink:
    return TimedLink(SimulatedServer(), Random(1), 0.0)


def test_a_request_waits_once_for_a_server_that_hangs_however_much_it_asks() -> None:
    async def request(counters: RemoteCounters) -> None:
        now = asyncio.get_running_loop().time()
        for model in ("first", "fallback", "another"):  # as `Admission.enter` does
            await counters.reserve("acme", model, 0, now)
            await counters.draw("acme", [Draw(model, 0, 1), Draw("tokens", 5, 9)], now)
        await counters.peek("acme", "first", 0, now)
        counters.settle("acme", [], now)

    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            link.lasting = 30.0
            assert await waited(request(counters)) == pytest.approx(LONGEST, abs=1e-6)
            assert link.runs == 1
            others = await asyncio.gather(*(waited(request(counters)) for _ in range(50)))
            assert max(others) == 0.0

    virtual.run(main())


def test_the_wait_counts_from_when_it_was_asked_also_behind_slow_writes() -> None:
    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            link.lasting = 0.045
            slow = [asyncio.create_task(waited(counters.reserve("a", "m", 9, 1))) for _ in "ab"]
            for _ in range(3):  # two writes are under way
                await asyncio.sleep(0.0005)
                slow.append(asyncio.create_task(waited(counters.reserve("a", "m", 9, 1))))
            await asyncio.sleep(0.002)
            last = asyncio.create_task(waited(counters.reserve("a", "m", 9, 1)))
            await asyncio.sleep(0.01)
            link.lasting = 30.0
            waits = [*await asyncio.gather(*slow), await last]
            assert max(waits) == pytest.approx(LONGEST, abs=1e-6)
            assert counters.outages == 1

    virtual.run(main())


@pytest.mark.parametrize("after", [0.0, 0.0005, 0.002, 0.0495], ids=str)
@pytest.mark.parametrize("held_up", [0.006, 0.03, 0.3, 5.0], ids=str)
def test_a_process_that_did_not_run_does_not_take_the_server_to_be_late(
    held_up: float, after: float
) -> None:
    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            link.lasting = 0.001 if after < 0.01 else 0.0495  # it has answered by then, in time
            asked = asyncio.create_task(counters.reserve("a", "m", 9, 1))
            await asyncio.sleep(after)
            virtual.stall(held_up)
            assert (await asked).exact
            assert counters.outages == 0

    virtual.run(main())


def test_what_waits_to_be_written_gets_back_the_time_that_the_process_lost() -> None:
    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            link.lasting = 0.02
            slow = [asyncio.create_task(waited(counters.reserve("a", "m", 9, 1)))]
            await asyncio.sleep(0.001)
            slow.append(asyncio.create_task(waited(counters.reserve("a", "m", 9, 1))))
            await asyncio.sleep(0.001)
            last = asyncio.create_task(counters.reserve("a", "m", 9, 1))
            await asyncio.sleep(0.001)
            assert link.runs == 2
            virtual.stall(0.5)
            assert (await last).exact
            assert counters.outages == 0
            await asyncio.gather(*slow)

    virtual.run(main())


def test_a_server_that_hangs_is_late_also_for_a_process_that_is_held_up() -> None:
    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            link.lasting = 30.0
            asked = asyncio.create_task(waited(counters.reserve("a", "m", 9, 1)))
            await asyncio.sleep(0.001)
            virtual.stall(0.3)
            assert await asked == pytest.approx(0.3 + LONGEST, abs=0.006)
            assert counters.outages == 1

    virtual.run(main())


def test_what_is_asked_after_the_process_was_held_up_has_nothing_to_get_back() -> None:
    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            await counters.reserve("a", "m", 9, 1)
            virtual.stall(0.3)
            link.lasting = 30.0  # asked before anybody has looked at the time
            assert await waited(counters.reserve("a", "m", 9, 1)) <= LONGEST + 1e-6

    virtual.run(main())


def test_a_process_that_is_always_held_up_is_excused_three_times_and_no_more() -> None:
    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            link.lasting = 30.0
            asked = asyncio.create_task(waited(counters.reserve("a", "m", 9, 1)))
            while not asked.done():
                await asyncio.sleep(0.005)
                virtual.stall(0.02)
            assert 3 * 0.02 < await asked < LONGEST + 5 * 0.025
            assert counters.outages == 1

    virtual.run(main())


def test_a_beat_is_not_given_up_for_a_process_that_did_not_run() -> None:
    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            link.lasting = 0.1
            await asyncio.sleep(2.05)  # a beat is under way
            assert link.runs == 1
            virtual.stall(1.5)
            await asyncio.sleep(0.3)
            assert counters.outages == 0
            link.lasting = 30.0
            await asyncio.sleep(3.5)
            assert counters.outages == 1

    virtual.run(main())


def test_a_server_that_answers_nonsense_is_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        link = made()
        async with counting(link) as counters:
            link.nonsense = True
            await asyncio.sleep(2.1)  # a beat
            assert not (await counters.reserve("a", "m", 9, 1)).exact
            await asyncio.sleep(5)
            link.nonsense = False
            await asyncio.sleep(1.1)
            assert (await counters.reserve("a", "m", 9, 1)).exact

    virtual.run(main())
    assert "a defect in counting" in caplog.text


@pytest.mark.parametrize(("others_after", "lost"), [(0.35, True), (60.0, True), (60.0, False)])
def test_with_a_server_that_has_lost_all_it_counts_once_all_have_told_what_they_know(
    others_after: float, lost: bool
) -> None:
    async def main() -> None:
        link, loop = made(), asyncio.get_running_loop()
        server = link._server
        async with counting(link) as counters:
            server.present = 1
            if lost:
                server.mark = b"another"
            counters._session.lose("as if the server had gone")
            loop.call_later(others_after, setattr, server, "present", 3)
            begun = loop.time()
            while counters.trouble is not None:
                await asyncio.sleep(0.01)
            waits = min(others_after, 1.0) if lost else 0.0
            assert loop.time() - begun == pytest.approx(waits, abs=0.15)

    virtual.run(main())


class PartlyFull(TimedLink):
    """A cluster of which the server that has the account `full` refuses to count while it is so."""

    full = True

    async def run(self, commands: Sequence[Command]) -> Sequence[Any]:
        answers = list(await super().run(commands))
        refused = [
            at for at, one in enumerate(commands) if self.full and one.keys[0].startswith("full:")
        ]
        if refused:
            raise LinkError(
                "out of memory",
                [None if at in refused else one for at, one in enumerate(answers)],
                refused,
            )
        return answers


@pytest.mark.parametrize(("lasting", "most"), [(30, 1), (150, 4)])
def test_counting_does_not_come_and_go_while_one_server_of_a_cluster_is_full(
    lasting: int, most: int
) -> None:
    async def main() -> None:
        link, loop = PartlyFull(SimulatedServer(), Random(1), 0.0), asyncio.get_running_loop()
        async with counting(link) as counters:
            for _ in range(lasting * 10):
                # Nothing is left of its share, so nothing is owed either.
                await counters.reserve("full", "m", 0, loop.time())
                await counters.reserve("other", "m", 9, loop.time())
                await asyncio.sleep(0.1)
            assert counters.outages <= most
            link.full = False
            await asyncio.sleep(1.5)
            assert (await counters.reserve("full", "m", 9, loop.time())).exact
            assert counters.outages <= most

    virtual.run(main())
