"""What the machine does is noted: of requests past the gateways, and of processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from bench.endure.pulse import Pulse

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
