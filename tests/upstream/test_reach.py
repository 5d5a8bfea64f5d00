"""Hosts of several addresses, some of which are dead."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from time import monotonic
from typing import Any, cast

import pytest

from callgate.upstream.reach import reach
from callgate.upstream.resolver import Address
from patience import PATIENCE, best_of

HOST = "127.0.0.1"


@pytest.fixture
def silent() -> Iterator[Address]:
    """An address that neither answers nor refuses: its backlog is full."""
    with socket.create_server((HOST, 0), backlog=0) as full:
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        yield socket.AF_INET, full.getsockname()
        for filler in fillers:
            filler.close()


@pytest.fixture
def refusing() -> Iterator[Address]:
    with socket.socket() as held:
        held.bind((HOST, 0))
        yield socket.AF_INET, held.getsockname()


@pytest.fixture
def living() -> Iterator[Address]:
    with socket.create_server((HOST, 0)) as server:
        yield socket.AF_INET, server.getsockname()


async def reached(*found: Address) -> tuple[str, int]:
    with await reach(asyncio.get_running_loop(), found) as connection:
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        peer: tuple[str, int] = connection.getpeername()
        return peer


@best_of(8)
async def test_the_next_address_is_tried_where_one_is_silent(
    silent: Address, living: Address
) -> None:
    begun = monotonic()
    assert await reached(silent, living) == living[1]
    assert 0.2 < monotonic() - begun < 0.5


@best_of(8)
async def test_the_next_address_is_tried_at_once_where_one_refuses(
    refusing: Address, living: Address
) -> None:
    begun = monotonic()
    assert await reached(refusing, refusing, living) == living[1]
    assert monotonic() - begun < 0.2


async def test_the_first_failure_is_told_where_none_answers(refusing: Address) -> None:
    with pytest.raises(ConnectionRefusedError):
        await reached(refusing)
    with pytest.raises(ConnectionRefusedError):
        await reached(refusing, refusing)


async def test_whoever_is_cancelled_leaves_no_socket(silent: Address) -> None:
    task = asyncio.create_task(reached(silent, silent))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1


async def test_whoever_is_cancelled_as_a_connection_is_made_leaves_no_socket(
    silent: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.upstream.reach._DELAY", 0)
    with socket.create_server((HOST, 0)) as server:
        others = asyncio.all_tasks()
        asked = asyncio.create_task(reached(silent, (socket.AF_INET, server.getsockname())))
        await asyncio.sleep(0)
        trying: set[asyncio.Task[Any]] = set()
        while not any(task.done() for task in trying):
            trying |= asyncio.all_tasks() - others - {asked}
            await asyncio.sleep(0)
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(PATIENCE)
            assert accepted.recv(1) == b""


class Late:
    """The event loop, but a connection to `late` is made only once another one has failed."""

    def __init__(self, late: Address) -> None:
        self._loop = asyncio.get_running_loop()
        self._late = late
        self._failed = asyncio.Event()
        self.create_task = self._loop.create_task

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        if address == self._late[1]:
            await self._failed.wait()
            for _ in range(5):  # until who waits for both has heard of it
                await asyncio.sleep(0)
        try:
            await self._loop.sock_connect(sock, address)
        except OSError:
            self._failed.set()
            raise


async def test_an_address_that_is_late_is_waited_for_where_the_last_one_refuses(
    living: Address, refusing: Address, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.upstream.reach._DELAY", 0)
    with await reach(cast("Any", Late(living)), [living, refusing]) as connection:
        assert connection.getpeername() == living[1]


class AtOnce:
    """The event loop, but connections are made when as many as there shall be are on their way."""

    def __init__(self, many: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._all = asyncio.Barrier(many)
        self.create_task = self._loop.create_task

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        await self._loop.sock_connect(sock, address)
        await self._all.wait()


async def test_of_several_that_answer_at_once_one_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("callgate.upstream.reach._DELAY", 0)
    with socket.create_server((HOST, 0)) as server:
        address = socket.AF_INET, server.getsockname()
        with await reach(cast("Any", AtOnce(3)), [address] * 3) as kept:
            for _ in range(3):  # one that is not wanted is closed in a step of its own
                await asyncio.sleep(0)
            closed = 0
            for _ in range(3):
                accepted, peer = server.accept()
                with accepted:
                    if peer != kept.getsockname():
                        accepted.settimeout(PATIENCE)
                        assert accepted.recv(1) == b""
                        closed += 1
            assert closed == 2
