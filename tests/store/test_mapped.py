"""Counters in a table that processes share."""

from __future__ import annotations

import asyncio
import fcntl
import itertools
import random
import struct
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

import pytest

from callgate.core.limits import Draw, Period, beginning
from callgate.core.quota import Correction, Quota
from callgate.errors import GatewayError
from callgate.store.counters import mapped, slots
from callgate.store.counters.mapped import MappedCounters
from callgate.store.counters.mappedfile import HEADER
from callgate.store.counters.memory import MemoryCounters
from store.children import child

NOW = 1_800_000_000.0

# Reserves at once, says what it was told.
RESERVE = """
import asyncio, sys
from pathlib import Path
from callgate.store.counters.mapped import MappedCounters

async def main(path, count, limit, now):
    counters = MappedCounters(path)
    print("ready", flush=True)
    sys.stdin.readline()
    quotas = await asyncio.gather(
        *(counters.reserve("acme", "m", limit, now) for _ in range(count))
    )
    print(*(quota.remaining for quota in quotas if quota.admitted))

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
"""

# Reserves for ever, in a small table whose windows change hands all the time.
CHURN = """
import asyncio, random, sys
from pathlib import Path
from callgate.errors import GatewayError
from callgate.store.counters.mapped import MappedCounters

async def main(path, now):
    counters = MappedCounters(path)
    print("ready", flush=True)
    while True:
        now += random.random() * 20
        try:
            await counters.reserve(f"a{random.randrange(12)}", "m", 5, now)
        except GatewayError:
            pass

asyncio.run(main(Path(sys.argv[1]), float(sys.argv[2])))
"""

# Holds every lock of the file.
HOLD = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.readline()
"""


def reserve(counters: MappedCounters, *arguments: Any) -> Quota:
    return asyncio.run(counters.reserve(*arguments))


SPEND = Draw("spend", 1000, 1000, Period.MONTH)


@pytest.mark.parametrize("shared", [True, False])
async def test_a_clock_that_was_wrong_from_the_start_spends_no_budget_for_good(
    tmp_path: Path, *, shared: bool
) -> None:
    path = tmp_path / "limits.table"
    counters: MappedCounters | MemoryCounters
    counters = MappedCounters(path) if shared else MemoryCounters()
    then = NOW + 70 * 365 * 86_400
    for now in (then, NOW):
        month = SPEND.replace(begins=beginning(SPEND.period, int(now * 1e6)))
        grant = await counters.draw("acme", [month], now)
        assert (grant.refused, grant.levels[0].birth) == (None, int(now * 1e6))
        assert await counters.seed("acme", "spend", month.period, month.begins, 300, now)
        assert (await counters.reserve("acme", "m", 2, now)).reset <= now + 60
        assert (await counters.draw("acme", [month], now)).levels[0].used == 1300
        if shared:
            counters = MappedCounters(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "limits.table"


def keys_in(path: Path) -> list[bytes]:
    """The keys of all slots that bear one."""
    data = path.read_bytes()
    (slots,) = struct.unpack_from("=Q", data, 16)
    keys = [data[64 + slot * 16 : 80 + slot * 16] for slot in range(slots)]
    return [key for key in keys if any(key)]


def test_processes_together_admit_exactly_the_limit_without_a_gap(path: Path) -> None:
    limit = 500
    with ExitStack() as stack:
        children = [stack.enter_context(child(RESERVE, path, 200, limit, NOW)) for _ in range(8)]
        for process in children:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in children:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        remaining = [int(word) for process in children for word in process.communicate()[0].split()]
    assert sorted(remaining) == list(range(limit))


def test_windows_outlive_the_processes(path: Path) -> None:
    for remaining in (2, 1, 0):
        counters = MappedCounters(path)
        assert reserve(counters, "acme", "m", 3, NOW).remaining == remaining
        counters.close()


def test_killed_processes_leave_a_sound_table_and_no_lock(path: Path) -> None:
    counters = MappedCounters(path, slots=16)
    chance = random.Random(7)
    for _ in range(2):
        with ExitStack() as stack:
            children = [stack.enter_context(child(CHURN, path, NOW)) for _ in range(3)]
            for process in children:
                assert process.stdout is not None
                assert process.stdout.readline() == "ready\n"
            for process in children:
                time.sleep(chance.random() * 0.03)
                process.kill()
                process.wait()
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(slots, "PATIENCE", 60.0)  # a lock that is left ends it
                    told = [reserve(counters, f"a{n}", "m", 5, NOW) for n in range(12)]
                assert all(0 <= quota.remaining <= 5 for quota in told)
        keys = keys_in(path)
        assert len(set(keys)) == len(keys) <= 16
    later = NOW + 10**8
    assert [reserve(counters, "a3", "m", 5, later).remaining for _ in range(6)] == [
        4, 3, 2, 1, 0, 0,
    ]  # fmt: skip
    counters.close()


class Killed(BaseException):
    """Stands for the end of the process."""


class Fuse:
    """Memory that lets a number of stores through; the next one is cut in half, and none after."""

    def __init__(self, memory: Any, stores: int) -> None:
        self.memory, self.stores = memory, stores

    def __getitem__(self, at: Any) -> Any:
        return self.memory[at]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.memory, name)

    def __setitem__(self, at: Any, value: Any) -> None:
        self.stores -= 1
        if self.stores < 0:
            if isinstance(at, slice):  # a word is stored whole, a key may not be
                half = at.start + len(value) // 2
                self.memory[at.start : half] = value[: len(value) // 2]
            raise Killed
        self.memory[at] = value


@pytest.mark.parametrize("words", range(4))
@pytest.mark.parametrize("used", [0, 1, 4])
@pytest.mark.parametrize("place", ["same", "other"])
@pytest.mark.parametrize("later", [1, 61])
def test_between_any_two_stores_the_table_is_sound(
    path: Path, words: int, used: int, place: str, later: int
) -> None:
    counters = MappedCounters(path, slots=1)
    for _ in range(used):
        reserve(counters, "same", "m", 5, NOW)
    table = counters._slots
    for memory in ("_words", "_map"):
        setattr(table, memory, Fuse(getattr(table, memory), words))
    try:
        taken = reserve(counters, place, "m", 5, NOW + later).admitted
    except (Killed, GatewayError):
        taken = False
    for memory in ("_words", "_map"):
        setattr(table, memory, getattr(table, memory).memory)
    counters.close()
    after = MappedCounters(path, slots=1)
    same_window = place == "same" and later < 60
    if place == "same" or later > 60 or not used:
        left = 5 - 1 - taken - (used if same_window else 0)
        # At most the request of the killed process is counted without having been made.
        told = reserve(after, place, "m", 5, NOW + later)
        assert max(left - 1, 0) <= told.remaining <= max(left, 0)
    else:
        with pytest.raises(GatewayError):
            reserve(after, place, "m", 5, NOW + later)
        assert reserve(after, "same", "m", 5, NOW + later).remaining == 4 - used
    after.close()


async def test_a_stopped_process_holds_up_its_slots_and_not_the_event_loop(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "PATIENCE", 0.2)
    counters = MappedCounters(path)
    await counters.reserve("acme", "m", 3, NOW)
    with child(HOLD, path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        waiting = asyncio.create_task(counters.reserve("acme", "m", 3, NOW))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert turns > 3
        with pytest.raises(GatewayError) as told:
            waiting.result()
        assert told.value.kind.type == "limits_unavailable"
    assert (await counters.reserve("acme", "m", 3, NOW)).remaining == 1
    counters.close()


# A lock of the whole file, by the open file and not by the process, so that it shuts this one out.
WHOLE = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 0, 0)
NONE = struct.pack("hhqqi4x", fcntl.F_UNLCK, 0, 0, 0, 0)


def is_locked(file: IO[bytes]) -> bool:
    kind: int = struct.unpack_from("h", fcntl.fcntl(file, fcntl.F_OFD_GETLK, WHOLE))[0]
    return kind != fcntl.F_UNLCK


async def test_no_lock_is_left_behind(path: Path) -> None:
    counters = MappedCounters(path)
    spend = Draw("spend", 9, 1, Period.DAY, 86_400_000_000)
    used = Correction("spend", Period.DAY, spend.begins, 1)
    with path.open("r+b") as file:
        assert not is_locked(file)
        await counters.draw("acme", [Draw("m", 9, 1), spend], NOW)
        assert not is_locked(file)
        await counters.reserve("acme", "m", 9, NOW)
        assert not is_locked(file)
        await counters.peek("acme", "m", 9, NOW)
        assert not is_locked(file)
        await counters.seed("acme", "spend", Period.DAY, spend.begins, 2, NOW)
        assert not is_locked(file)
        counters.settle("acme", [used], NOW)
        assert not is_locked(file)
        assert [one.used for one in await counters.levels("acme", [spend], NOW)] == [4]
    counters.close()


async def test_what_is_locked_is_drawn_seeded_and_settled_when_it_is_free_and_not_before(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counters = MappedCounters(path)
    spend = Draw("spend", 9, 1, Period.DAY, 86_400_000_000)
    await counters.draw("acme", [spend], NOW)
    slot = counters._slots.search(mapped._digest("acme", "spend", Period.DAY))
    assert slot is not None
    one = struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, HEADER + slot, 1, 0)
    with path.open("r+b") as file:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, one)
        monkeypatch.setattr(slots, "PATIENCE", 0.05)
        with pytest.raises(GatewayError, match="busy"):
            await counters.draw("acme", [Draw("m", 9, 1), spend], NOW)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, NONE)
        assert not is_locked(file)  # nor is the counter that was free
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, WHOLE)
        monkeypatch.setattr(slots, "PATIENCE", 60.0)
        counters.settle("acme", [Correction("spend", Period.DAY, spend.begins, 1)], NOW)
        drawing = asyncio.create_task(counters.draw("acme", [spend], NOW))
        seeding = asyncio.create_task(
            counters.seed("acme", "spend", Period.DAY, spend.begins, 3, NOW)
        )
        await asyncio.sleep(0.01)
        assert [one.used for one in await counters.levels("acme", [spend], NOW)] == [1]
    await asyncio.gather(drawing, seeding)
    async with asyncio.timeout(60):
        while (await counters.levels("acme", [spend], NOW))[0].used < 6:
            await asyncio.sleep(0.001)
    counters.close()


async def test_what_is_locked_for_long_is_settled_all_the_same_and_before_the_end(
    path: Path,
) -> None:
    counters = MappedCounters(path)
    spend = Draw("spend", 9, 5, Period.DAY, 86_400_000_000)
    await counters.draw("acme", [spend], NOW)
    with path.open("r+b") as file:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, WHOLE)
        for delta in (-3, -1):
            counters.settle("acme", [Correction("spend", Period.DAY, spend.begins, delta)], NOW)
            await asyncio.sleep(0.11)
        assert [one.used for one in await counters.levels("acme", [spend], NOW)] == [5]
        ending = asyncio.create_task(counters.stop())
        await asyncio.sleep(0)
    await ending
    assert [one.used for one in await counters.levels("acme", [spend], NOW)] == [1]
    counters.close()


@pytest.mark.parametrize(("slots", "home"), [(8, None), (300, 100), (300, 298)])
def test_every_place_of_a_table_is_found_by_others(
    path: Path, slots: int, home: int | None
) -> None:
    """Also those that a key got because others stand where it would, even beyond the end."""
    one, other = MappedCounters(path, slots), MappedCounters(path, slots)
    names = (str(number) for number in itertools.count())
    at_home = (
        name for name in names if home in {None, one._slots._home(mapped._digest(name, "m"))}
    )
    accounts = list(itertools.islice(at_home, 8))
    for counters, admitted in ((one, True), (other, False)):
        for account in accounts:
            assert reserve(counters, account, "m", 1, NOW).admitted is admitted
        counters.close()


def test_a_slot_that_another_took_is_not_mistaken_for_ones_own(path: Path) -> None:
    one, other = MappedCounters(path, slots=2), MappedCounters(path, slots=2)
    assert [reserve(one, "a", "m", 3, NOW).remaining for _ in range(2)] == [2, 1]
    for account in ("b", "c"):
        assert reserve(other, account, "m", 3, NOW + 61).remaining == 2
    with pytest.raises(GatewayError):
        reserve(one, "a", "m", 3, NOW + 62)
    assert asyncio.run(one.peek("a", "m", 3, NOW + 62)).remaining == 3
    assert reserve(other, "b", "m", 3, NOW + 63).remaining == 1
    assert reserve(one, "a", "m", 3, NOW + 122).remaining == 2
    one.close()
    other.close()


def test_what_a_process_remembers_of_places_is_bounded(path: Path) -> None:
    counters = MappedCounters(path, slots=16)
    for number in range(100):
        assert reserve(counters, f"a{number}", "m", 1, NOW + 61 * number).admitted
    assert len(counters._hints) <= 16
    counters.close()


def test_closing_twice_is_harmless(path: Path) -> None:
    counters = MappedCounters(path, slots=16)
    counters.close()
    counters.close()
