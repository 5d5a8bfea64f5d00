"""Hosts of several addresses, some of which are dead."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from time import monotonic

import pytest

from callgate.upstream.reach import reach
from callgate.upstream.resolver import Address
from patience import best_of

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
