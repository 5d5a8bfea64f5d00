"""The scenes: a crowd, servers that die, processes that die, reloads. Each gives its verdicts."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from bench.endure.callers import Callers, Load
from bench.endure.fleet import FREE, GATEWAYS, LATE, LIMITS, WORKERS, Fleet, Gateway
from bench.endure.ledger import Ledger, balanced
from bench.endure.overruns import Departure, Overruns, explained
from bench.endure.pulse import Pulse
from bench.endure.servers import Postgres, Redis
from bench.endure.waits import Span, compared
from bench.endure.windows import Windows, alone, judged

_PROCESSES = GATEWAYS * WORKERS
IN_EFFECT = "the new configuration is in effect"


class Row(NamedTuple):
    """One verdict."""

    name: str
    sound: bool
    told: str


class Scene(NamedTuple):
    """What came of a scene: its verdicts, and the figures behind them."""

    rows: list[Row]
    figures: dict[str, Any]


class Extent(NamedTuple):
    """How much of everything; `rate` is in requests per second, `away` in seconds."""

    requests: int
    rate: float
    outages: int
    away: float
    kills: int
    reloads: int


async def crowd(fleet: Fleet, extent: Extent) -> Scene:
    """Sixteen accounts at four models: exact to the request, and each request on record."""
    callers = Callers(fleet.gateways, fleet.keys)
    begun = time.monotonic()
    await callers.run(Load((*LIMITS,), extent.rate, enough=extent.requests))
    seconds = time.monotonic() - begun
    windows = judged(callers.answers, LIMITS)
    ledger = await _settled(fleet, callers, whole=True)
    by_itself = sum(one.degraded for one in callers.answers)
    rows = [
        _answered(callers),
        _exact("limits", windows),
        Row("server", not by_itself, f"{by_itself:,} answers were counted without it"),
        _balanced(ledger),
    ]
    return Scene(rows, {**_figures(callers), "seconds": seconds, "windows": windows})


async def outages(fleet: Fleet, extent: Extent, postgres: Postgres, cache: Redis) -> Scene:
    """Redis and PostgreSQL killed and started anew: nobody fails, waits, or is forgotten."""
    callers = Callers(fleet.gateways, fleet.keys)
    pulse = Pulse(fleet.upstream, fleet.roles)
    noting = asyncio.create_task(pulse.run())
    load = Load((*LIMITS, FREE, FREE), extent.rate, streams=0.1)
    spans: list[Span] = []
    faults: list[str] = []

    async def strike() -> None:
        await asyncio.sleep(5)
        for _ in range(extent.outages):
            for name, server in (("counters", cache), ("store", postgres)):
                begun = time.time()
                server.kill()
                await asyncio.sleep(extent.away / 2)
                faults.extend(await asyncio.to_thread(_unnamed, fleet, name))
                await asyncio.sleep(extent.away / 2)
                ended = time.time()
                await asyncio.to_thread(server.start)
                spans.append(Span(name, begun, ended))
                await asyncio.sleep(extent.away)

    await _beside(callers, load, strike)
    away = [one for one in spans if one.name == "counters"]
    silent = [
        one
        for one in callers.answers
        for span in away
        if span.begun + 1 < one.began < span.ended - 0.2 and not one.degraded
    ]
    if silent:
        faults.append(f"{len(silent)} answers without the header while the server was away")
    shares = alone(callers.answers, LIMITS, _PROCESSES)
    through = judged(callers.answers, LIMITS, whole=False)
    waits = compared(callers.answers, spans, pulse.within)
    fleet.wait_exact()
    before = len(callers.answers)
    enough = len(LATE) * 16 * 160
    await callers.run(Load((*LATE,), extent.rate, enough=enough))
    late = judged(callers.answers[before:], LATE)
    pulse.stop()
    await noting
    ledger = await _settled(fleet, callers, whole=True)
    rows = [
        _answered(callers),
        Row("waits", waits.sound, waits.told),
        Row("told", not faults, "; ".join(faults) or "in /ready and X-Callgate-Degraded"),
        Row("shares", not shares.faults, _told(shares)),
        Row("through", sound=True, told=_through(through)),
        _exact("exact again", late, _overruns(fleet, late, pulse)),
        _balanced(ledger),
    ]
    figures = {"outages": spans, "waits": waits, "shares": shares, "again": late}
    figures["through"] = through
    return Scene(rows, {**_figures(callers), **figures})


async def kills(fleet: Fleet, extent: Extent, seed: int = 1) -> Scene:
    """`kill -9` of any process: whoever got a whole answer finds one record of it."""
    callers = Callers(fleet.gateways, fleet.keys)
    chance = random.Random(seed)
    struck: Counter[str] = Counter()
    slow: list[float] = []

    async def strike() -> None:
        for _ in range(extent.kills):
            await asyncio.sleep(chance.uniform(0.1, 1.2))
            gateway = chance.choice(fleet.gateways)
            what = chance.choices(tuple(_STRIKES), (12, 5, 2, 1))[0]
            begun = time.monotonic()
            while not await asyncio.to_thread(_STRIKES[what], gateway, chance):
                await asyncio.sleep(0.1)  # the one before it has not been replaced yet
            struck[what] += 1
            if what in {"everything", "supervisor"}:
                await asyncio.to_thread(gateway.start)
                slow.append(time.monotonic() - begun)

    load = Load((FREE, *LIMITS), extent.rate / 2, streams=0.5, pause_ms=20)
    await _beside(callers, load, strike)
    refused = [one for one in callers.broken if one.how == "refused" and one.up]
    late = [one for one in callers.broken if one.how == "late"]
    windows = judged(callers.answers, LIMITS, whole=False)
    ledger = await _settled(fleet, callers, whole=False)
    rows = [
        Row("kills", struck.total() == extent.kills, _counted(struck)),
        Row(
            "answers",
            not refused and not late,
            f"{len(callers.answers):,} whole, {len(callers.broken):,} broken off; of those "
            f"{len(refused)} refused where a gateway was up, {len(late)} without an end",
        ),
        Row("limits", not windows.faults, _told(windows)),
        _balanced(ledger),
    ]
    return Scene(rows, {**_figures(callers), "kills": struck, "restarts": slow})


async def reloads(fleet: Fleet, extent: Extent) -> Scene:
    """SIGHUP: no refused connection, no cut stream, no lost record."""
    callers = Callers(fleet.gateways, fleet.keys)
    faults: list[str] = []

    async def strike() -> None:
        for number in range(extent.reloads):
            gateway = fleet.gateways[number % len(fleet.gateways)]
            before = gateway.said(IN_EFFECT)
            gateway.reload()
            end = time.monotonic() + 40
            while gateway.said(IN_EFFECT) == before:
                if time.monotonic() > end:
                    faults.append("a reload did not take effect")
                    break
                await asyncio.sleep(0.1)
            await asyncio.sleep(0.5)

    load = Load((FREE, *LIMITS), extent.rate / 2, streams=0.5, pause_ms=50)
    await _beside(callers, load, strike)
    windows = judged(callers.answers, LIMITS)
    ledger = await _settled(fleet, callers, whole=True)
    rows = [
        Row("reloads", not faults, "; ".join(faults) or f"{extent.reloads} in effect"),
        _answered(callers),
        _exact("limits", windows),
        _balanced(ledger),
    ]
    return Scene(rows, _figures(callers))


def _one_of(pids: Sequence[int], chance: random.Random) -> bool:
    """Whether there was one to kill."""
    with contextlib.suppress(ProcessLookupError):
        if pids:
            os.kill(chance.choice(pids), signal.SIGKILL)
            return True
    return False


_STRIKES: dict[str, Callable[[Gateway, random.Random], bool]] = {
    "worker": lambda gateway, chance: _one_of(gateway.roles()[0], chance),
    "clerk": lambda gateway, chance: _one_of(gateway.roles()[1], chance),
    "everything": lambda gateway, _chance: gateway.kill_all(),
    "supervisor": lambda gateway, _chance: gateway.kill_supervisor(),
}


async def _beside(callers: Callers, load: Load, strike: Callable[[], Awaitable[None]]) -> None:
    """Run the load until the strikes are over, and a little longer."""
    running = asyncio.create_task(callers.run(load))
    try:
        await asyncio.sleep(1)
        await strike()
        await asyncio.sleep(1)
    finally:
        callers.stop()
        await running


async def _settled(fleet: Fleet, callers: Callers, *, whole: bool) -> Ledger:
    await asyncio.to_thread(fleet.wait_shipped)
    return balanced(callers.answers, fleet.recorded(), fleet.totals(), whole=whole)


def _unnamed(fleet: Fleet, part: str) -> list[str]:
    """Whether any gateway's `/ready` does not name what is away."""
    return [
        f"/ready of gateway {at} does not name {part}"
        for at, gateway in enumerate(fleet.gateways)
        if part not in {finding["part"] for finding in gateway.ready()["findings"]}
    ]


def _answered(callers: Callers) -> Row:
    strange = [one for one in callers.answers if one.status not in {200, 429}]
    cut = [one for one in callers.answers if one.status == 200 and one.failed]
    told = (
        f"{len(callers.answers):,} of {callers.sent:,}, {len(callers.broken)} broken off, "
        f"{len(strange)} of another status, {len(cut)} streams with an error"
    )
    if callers.broken or strange or cut:
        told += f": {[*callers.broken, *strange, *cut][:3]}"
    return Row("answers", not (callers.broken or strange or cut), told)


def _exact(name: str, windows: Windows, overruns: Overruns | None = None) -> Row:
    """Nothing above a limit, but for what a machine that had no processor for Redis has done."""
    sound = windows.full > 0 and not windows.faults
    if overruns is None:
        return Row(name, sound, _told(windows))
    told = [_told(windows), f"{overruns.own} of those windows not by the machine"]
    told += [f"\n         {one}" for one in overruns.told[:10]]
    return Row(name, sound and not overruns.own, "; ".join(told))


def _overruns(fleet: Fleet, windows: Windows, pulse: Pulse) -> Overruns:
    left = [
        Departure(number, at, why)
        for number, gateway in enumerate(fleet.gateways)
        for at, why in gateway.departures()
    ]
    return explained(windows.over, left, pulse.within)


def _told(windows: Windows) -> str:
    told = (
        f"{windows.windows:,} windows, {windows.full:,} used up; {windows.admitted:,} admitted, "
        f"{windows.refused:,} refused; {windows.mixed:,} in part by a process alone, "
        f"{windows.above:,} requests above a limit by that; "
        f"{len(windows.faults)} wrong"
    )
    return told + "".join(f"\n         {fault}" for fault in windows.faults[:5])


def _through(windows: Windows) -> str:
    """What a loss of the server has cost in exactness: nobody can know what it counted last."""
    return (
        f"{windows.windows:,} windows before, in and after the outages, {windows.mixed:,} in part "
        f"by a process alone; {windows.admitted:,} admitted, {windows.above:,} above a limit, in "
        f"{len(windows.over)} windows"
    )


def _balanced(ledger: Ledger) -> Row:
    told = f"{ledger.answers:,} answers, {ledger.records:,} records; "
    return Row("records", not ledger.faults, told + ("; ".join(ledger.faults) or "all agree"))


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _figures(callers: Callers) -> dict[str, Any]:
    statuses = Counter(str(one.status) for one in callers.answers)
    broken = Counter(one.how for one in callers.broken)
    return {"sent": callers.sent, "statuses": statuses, "broken": broken}
