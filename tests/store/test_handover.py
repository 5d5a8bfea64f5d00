"""What a worker that counts alone leaves to the one that follows it."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from callgate.core.limits import Draw
from callgate.core.quota import Correction
from callgate.store.counters.handover import HandoverCounters
from callgate.store.counters.memory import MemoryCounters, Window

LIMIT = 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limits.windows"


async def asked(counters: HandoverCounters, times: int, now: float, model: str = "m") -> int:
    """How many of so many requests are admitted."""
    answers = [await counters.reserve("acme", model, LIMIT, now) for _ in range(times)]
    return sum(answer.admitted for answer in answers)


async def taken_over(path: Path) -> None:
    async with asyncio.timeout(60):
        while path.exists():
            await asyncio.sleep(0.005)


async def test_after_a_restart_windows_go_on(path: Path) -> None:
    old, new, now = HandoverCounters(path), HandoverCounters(path), time.time()
    await old.start()
    assert await asked(old, 3, now) == 3
    await old.stop()
    assert path.stat().st_mode & 0o777 == 0o600
    await new.start()
    assert not path.exists()
    left = await new.peek("acme", "m", LIMIT, now + 1)
    assert (left.remaining, left.reset) == (2, pytest.approx(now + 60, abs=1e-3))
    assert await asked(new, 9, now + 1) == 2
    await new.stop()


async def test_in_a_reload_what_both_have_admitted_counts(path: Path) -> None:
    old, new, now = HandoverCounters(path), HandoverCounters(path), time.time()
    await old.start()
    assert await asked(old, 3, now) == 3
    await new.start()
    assert await asked(new, 1, now + 0.5) == 1
    assert await asked(new, 1, now + 0.5, "other") == 1
    for _ in range(3):  # until it has looked for them in vain
        await asyncio.sleep(0)
    old.retire()
    await taken_over(path)
    assert await asked(new, 9, now + 1) == 1
    assert await asked(new, 9, now + 1, "other") == 4
    # The window is the one that opened first, and what opened first is dropped first.
    assert await asked(new, 1, now + 60.1) == 1
    await old.stop()
    assert not path.exists()
    await new.stop()


async def test_windows_of_tokens_are_handed_over_too(path: Path) -> None:
    old, new, now = HandoverCounters(path), HandoverCounters(path), time.time()
    grant = await old.draw("acme", [Draw("tokens", 1000, 600)], now)
    old.settle(
        "acme", [Correction("tokens", Draw("", 1, 1).period, grant.levels[0].opened, -100)], now
    )
    old.retire()
    await new.start()
    assert (await new.draw("acme", [Draw("tokens", 1000, 501)], now)).refused == 0
    assert (await new.draw("acme", [Draw("tokens", 1000, 500)], now)).refused is None
    await new.stop()


async def test_what_is_over_is_left_behind(path: Path) -> None:
    old, new, now = HandoverCounters(path), HandoverCounters(path), time.time()
    await asked(old, LIMIT, now - 61)
    old.retire()
    await new.start()
    assert len(new) == 0
    await new.stop()


def test_what_is_absorbed_joins_what_is_open_as_far_as_there_is_room() -> None:
    def window(account: str, second: int, used: int) -> Window:
        return (account, "m", second * 1_000_000, used)

    counters = MemoryCounters(2)
    counters.absorb([window("a", 90, 3), window("over", 40, 9), window("b", 95, 1)], 100)
    assert counters.windows(100) == [window("a", 90, 3), window("b", 95, 1)]
    counters.absorb([window("b", 80, 2), window("no room", 99, 1)], 100)
    assert counters.windows(100) == [window("b", 80, 3), window("a", 90, 3)]
    counters.absorb([window("b", 141, 7)], 141)
    assert counters.windows(141) == [window("a", 90, 3), window("b", 141, 7)]
    assert counters.windows(150) == [window("b", 141, 7)]


@pytest.mark.parametrize("left", [b"", b"no such thing", b"\x91\x94\xa1a\xa1b\x01"])
async def test_what_makes_no_sense_is_passed_over(path: Path, left: bytes) -> None:
    path.write_bytes(left)
    counters = HandoverCounters(path)
    await counters.start()
    assert await asked(counters, 9, time.time()) == LIMIT
    await counters.stop()


async def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    counters = HandoverCounters(tmp_path / "gone" / "limits.windows")
    await counters.start()
    assert await asked(counters, 9, time.time()) == LIMIT
    await counters.stop()
