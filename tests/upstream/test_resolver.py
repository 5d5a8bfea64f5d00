"""Looking hosts up."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, cast

import pytest

from callgate.upstream.resolver import Address, Resolver

FOUND = [(10, "a"), (10, "b"), (10, "a"), (10, "c"), (2, "d")]


class Loop:
    """The running loop, but for the time and for name servers, which answer at `go_on`."""

    def __init__(self) -> None:
        self.create_task = asyncio.get_running_loop().create_task
        self.now = 0.0
        self.asked: list[str] = []
        self.go_on = asyncio.Event()

    def time(self) -> float:
        return self.now

    async def getaddrinfo(self, host: str, *_: object, **__: object) -> list[object]:
        self.asked.append(host)
        await self.go_on.wait()
        if host == "nowhere":
            raise socket.gaierror(socket.EAI_NONAME, "unknown")
        return [(family, 1, 6, "", address) for family, address in FOUND]


class Scene:
    """A resolver on such a loop, and those who ask it."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.resolver = Resolver()

    async def ask(self, host: str, now: float = 0.0) -> asyncio.Task[list[Address]]:
        self.loop.now = now
        task = asyncio.create_task(self.resolver.addresses(cast("Any", self.loop), host, 80))
        await asyncio.sleep(0.001)
        return task


@pytest.mark.parametrize("told", ["127.0.0.1", "::1"])
async def test_an_address_is_itself(told: str) -> None:
    found = await Resolver().addresses(asyncio.get_running_loop(), told, 80)
    assert [address[:2] for _, address in found] == [(told, 80)]


async def test_families_take_turns() -> None:
    scene = Scene()
    scene.loop.go_on.set()
    found = await (await scene.ask("example.org"))
    assert [address for _, address in found] == ["a", "d", "b", "c"]


async def test_a_host_is_looked_up_once_for_all_who_ask() -> None:
    scene = Scene()
    tasks = [await scene.ask(host) for host in ("one", "one", "two", "one")]
    assert scene.loop.asked == ["one", "two"]
    tasks[0].cancel()  # who leaves does so alone
    scene.loop.go_on.set()
    assert len({str(await task) for task in tasks[1:]}) == 1
    await (await scene.ask("one"))
    assert scene.loop.asked == ["one", "two", "one"]


async def test_what_is_late_is_asked_once_more_and_not_again() -> None:
    scene = Scene()
    tasks = [await scene.ask("one", now) for now in (0, 0.9, 1.1, 2.2, 3.3)]
    assert scene.loop.asked == ["one", "one"]
    scene.loop.go_on.set()
    await asyncio.gather(*tasks)


async def test_a_failure_is_told_to_all_who_asked_and_forgotten() -> None:
    scene = Scene()
    tasks = [await scene.ask("nowhere") for _ in range(3)]
    scene.loop.go_on.set()
    for task in tasks:
        with pytest.raises(socket.gaierror):
            await task
    with pytest.raises(socket.gaierror):
        await (await scene.ask("nowhere"))
    assert scene.loop.asked == ["nowhere"] * 2
