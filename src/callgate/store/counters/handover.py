"""Counters of a worker that counts alone, and hands over to the one that follows it.

A reload starts the new worker before the old one retires, a restart after the old one has ended.
Either way the old one leaves its open windows in a file as it goes, and the new one adds them to
its own as soon as they are there.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from callgate.store.counters.memory import MemoryCounters, Window
from callgate.store.wholefile import write_whole

# The old one is told to retire once this one answers: it is soon, or with a busy machine a little
# later, that there is something to take over.
_PAUSES = (*[0.02] * 50, *[0.2] * 70)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[Window]).decode


class HandoverCounters(MemoryCounters):
    """`MemoryCounters` that outlive their process in `path`, unless that is killed."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._handed_over = False
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take over what the last one has left, now or soon."""
        self._take_over()
        self._watch = asyncio.create_task(self._watch_for_more())

    async def stop(self) -> None:
        """Leave the open windows to whoever follows."""
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        self.retire()

    def retire(self) -> None:
        """Leave the open windows to whoever follows. What comes after it is counted here alone."""
        if self._handed_over:
            return
        self._handed_over = True
        with suppress(OSError, ValueError):  # then windows start again, as after a fall
            write_whole(self._path, _encode(self.windows(time.time())))

    def _take_over(self) -> bool:
        try:
            left = self._path.read_bytes()
            self._path.unlink()
            self.absorb(_decode(left), time.time())
        except (OSError, ValueError):
            return False
        return True

    async def _watch_for_more(self) -> None:
        for pause in _PAUSES:
            if self._handed_over or self._take_over():
                break
            await asyncio.sleep(pause)
