"""What the machine does is noted: of requests past the gateways, and of processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from bench.endure.pulse import Kept, Pulse

from provider import Provider, running


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel does not tell")
async def test_it_notes_until_it_is_stopped() -> None:
    with running() as provider:
        await noted(provider)


async def noted(provider: Provider) -> None:
    pulse = Pulse(provider.port, lambda: {"own": [os.getpid()], "gone": [2**22 + 1]})
    noting = asyncio.create_task(pulse.run())
    async with asyncio.timeout(60):
        while not pulse.within(0, 2e9).direct:
            assert not noting.done(), noting.result()
            await asyncio.sleep(0.01)
        pulse.stop()
        await noting
    assert pulse.within(0, 1) == (0.0, {})
    assert set(pulse.within(0, 2e9).kept) <= {"own"}


def test_what_lies_within_a_span_is_found() -> None:
    pulse = Pulse(0, dict)
    pulse._direct = [(100.0, 0.01), (100.05, 0.3), (100.35, 0.02), (101.0, 0.5)]
    pulse._kept = [
        Kept("redis", 1, 99.9, 100.0, 7.0),
        Kept("redis", 1, 100.0, 100.05, 20.0),
        Kept("gateway0", 2, 100.0, 100.05, 5.0),
        Kept("gateway0", 3, 100.05, 100.1, 30.0),
        Kept("redis", 1, 100.05, 100.1, 20.0),
        Kept("redis", 1, 101.0, 101.1, 90.0),
    ]
    assert pulse.within(100.19, 100.3) == (300.0, {"redis": 20.0, "gateway0": 30.0})
    assert pulse.within(100.11, 100.12) == (300.0, {"redis": 40.0, "gateway0": 30.0})
    assert pulse.within(100.7, 100.71) == (0.0, {})
