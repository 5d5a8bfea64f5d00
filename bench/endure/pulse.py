"""What the machine itself does to whoever waits, noted while a scene is played.

Twenty requests a second go straight to the fake provider, past every gateway: nothing but the
callers' own process and the provider's can make them slow. And of each process it is noted how long
it could have run but got no processor, from the second figure of `/proc/<pid>/schedstat`:
https://docs.kernel.org/scheduler/sched-stats.html
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import islice, takewhile
from pathlib import Path
from typing import NamedTuple

from bench.endure.callers import Connection

_ASK_SECONDS = 0.05
_LOOK_SECONDS = 0.05
_BESIDE = 0.1  # before and after; a request that stands in line is slow for what was before it
_ASKED = b'{"model": "fake", "messages": [{"role": "user", "content": "How are you?"}]}'
_REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: direct\r\ncontent-type: application/json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_ASKED), _ASKED)
)

Roles = Callable[[], Mapping[str, Sequence[int]]]
"""The processes to look at, by what they are."""


class Strain(NamedTuple):
    """What the machine did in some span, in ms.

    `direct` is the longest wait of a request past every gateway, `kept` how long the worst of the
    processes of each role was kept from a processor.
    """

    direct: float = 0.0
    kept: Mapping[str, float] = {}


class Kept(NamedTuple):
    """How long a process was kept from a processor in a slot between two looks."""

    role: str
    pid: int
    begun: float
    ended: float
    ms: float


class Pulse:
    """Notes until it is stopped. `upstream` is the port of the fake provider."""

    def __init__(self, upstream: int, roles: Roles) -> None:
        self._upstream = upstream
        self._roles = roles
        self._direct: list[tuple[float, float]] = []
        self._kept: list[Kept] = []
        self._stop = threading.Event()

    async def run(self) -> None:
        """Note until `stop`."""
        thread = threading.Thread(target=self._look, daemon=True)
        thread.start()
        connection = Connection(self._upstream)
        try:
            due = time.time()
            while not self._stop.is_set():
                await connection.exchange(_REQUEST)
                now = time.time()
                # From when it was due, lest a machine that stands still be asked nothing.
                self._direct.append((due, now - due))
                due = max(due + _ASK_SECONDS, now)
                await asyncio.sleep(due - now)
        finally:
            self._stop.set()
            connection.close()
            thread.join()

    def stop(self) -> None:
        """Note no more."""
        self._stop.set()

    def within(self, begun: float, ended: float) -> Strain:
        """What the machine did between these (Unix seconds), and a tenth of a second beside."""
        begun, ended = begun - _BESIDE, ended + _BESIDE
        first = bisect_left(self._direct, begun, key=sum)
        asked = takewhile(lambda one: one[0] <= ended, islice(self._direct, first, None))
        direct = max((took for _, took in asked), default=0.0)
        processes: dict[tuple[str, int], float] = defaultdict(float)
        first = bisect_left(self._kept, begun, key=lambda one: one.ended)
        for one in takewhile(lambda one: one.begun <= ended, islice(self._kept, first, None)):
            processes[one.role, one.pid] += one.ms
        kept: dict[str, float] = {}
        for (role, _), ms in processes.items():
            kept[role] = round(max(kept.get(role, 0.0), ms), 1)
        return Strain(round(direct * 1000, 1), kept)

    def _look(self) -> None:
        before: dict[int, int] = {}
        begun = time.time()
        while not self._stop.wait(_LOOK_SECONDS):
            now = time.time()
            for role, pids in self._roles().items():
                for pid in pids:
                    waited = _waited_ns(pid)
                    if waited is not None:
                        ms = (waited - before.get(pid, waited)) / 1e6
                        before[pid] = waited
                        if ms >= 1:
                            self._kept.append(Kept(role, pid, begun, now, ms))
            begun = now


def _waited_ns(pid: int) -> int | None:
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1])
    return None
