"""A worker: one process that serves callers."""

from __future__ import annotations

import asyncio
import gc
import signal
import socket
import time
from collections.abc import Coroutine, Iterator
from contextlib import closing
from types import FrameType
from typing import Any, cast

import uvicorn
import uvloop

from callgate.app import Worker, build_worker
from callgate.config import Config
from callgate.metrics.sheets import Sheet
from callgate.server import filewatch
from callgate.server.allocator import keep_freed
from callgate.server.child import Signs
from callgate.server.supervisor import RETIRE, orphaned
from callgate.web.door import Door
from callgate.web.protocol import GateProtocol
from callgate.web.settings import Bounds

_FOLLOW_EVERY = 0.5
_TELL_EVERY = 1.0
_SYNC_EVERY = 1.0
_SAVE_AGAIN = 0.5
_LOOK_EVERY, _LOOK_SELDOM, _LOOK_PAUSE = 2.0, 10.0, 200.0  # seconds; times what a look took
_LAST_WORDS, _FLUSH = 0.5, 0.05
_GC_YOUNG, _GC_MIDDLE, _GC_OLD = 20_000, 20, 50


def serve(config: Config, listener: socket.socket, supervisor: int, signs: Signs) -> None:
    """Answer callers on a listening socket until SIGTERM or the end of `supervisor`; blocks.

    `signs` of life are given from when callers can be answered. Requests in progress have
    `server.drain` seconds to finish; on `RETIRE` they have all the time that their own timeouts
    leave them.
    """
    uvloop.run(_serve(config, listener, supervisor, signs))


class _Server(uvicorn.Server):
    """uvicorn's server, which can also retire: it then ends when its callers are served."""

    def __init__(self, config: uvicorn.Config, door: Door, drain: float) -> None:
        super().__init__(config)
        self._door = door
        self._drain = drain
        self._retiring = False
        self._ending = False

    def may_stay(self) -> bool:
        """Whether another has taken its place, and it has not been told to end since."""
        return self._retiring and not self._ending

    def retire(self) -> None:
        """Take no more connections; leave the present ones all the time they need."""
        self._retiring = self._door.retiring = True
        self.config.timeout_graceful_shutdown = None
        self.should_exit = True

    def end(self) -> None:
        """The process is told to end, before it serves or after."""
        self._ending = self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        self._ending = True
        if self._retiring:
            asyncio.get_running_loop().call_soon_threadsafe(self._hasten)

    def _hasten(self) -> None:
        """The end has come while it was retiring: the time left is that of any end."""
        if self._retiring:
            self._retiring = self._door.retiring = False
            for connection in list(self.server_state.connections):
                connection.shutdown()
            asyncio.get_running_loop().call_later(self._drain, self._break_off)

    def _break_off(self) -> None:
        for task in self.server_state.tasks:
            task.cancel()


async def _serve(config: Config, listener: socket.socket, supervisor: int, signs: Signs) -> None:
    with build_worker(config) as worker:
        # What start-up made stays: the collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_GC_YOUNG, _GC_MIDDLE, _GC_OLD)
        await worker.counters.start()
        await worker.seeding.prime(worker.budgets())
        server = _server(config, worker)
        tasks = [asyncio.create_task(one) for one in _beside(config, worker, server)]
        # uvicorn raises the signal that ended it once more when it has ended, for these handlers;
        # by the default one, the process would end before the last words and records are out.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: server.end())

        def retire() -> None:
            server.retire()
            worker.counters.retire()

        asyncio.get_running_loop().add_signal_handler(RETIRE, retire)
        # Whoever connects from here on waits in the listening socket until it is asked.
        signs.alive()
        following = asyncio.create_task(_follow(supervisor, server, signs))
        keep_freed()
        try:
            await server.serve(sockets=[listener])
        finally:
            for task in tasks:
                task.cancel()
            await _say_last_words(server)
            await worker.seeding.stop()
            await worker.counters.stop()
            await worker.client.aclose()
            while not await worker.held_records.save(
                final=orphaned(supervisor) or not server.may_stay()
            ):
                await asyncio.sleep(_SAVE_AGAIN)
            following.cancel()  # last of all: whoever takes long to end is to be seen alive


def _server(config: Config, worker: Worker) -> _Server:
    settings = config.settings.server
    bounds = Bounds(
        header_bytes=settings.max_header_bytes,
        head_seconds=settings.head_timeout,
        body_seconds=settings.body_timeout,
        idle_seconds=settings.keep_alive,
        write_seconds=settings.write_timeout,
    )
    door = Door(worker.gate, bounds, config.trusted_proxies, worker.files)
    told = uvicorn.Config(
        worker.gate.serve,  # which the door calls, and uvicorn never
        interface="asgi3",
        http=cast("type[asyncio.Protocol]", door),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        headers=[("x-callgate-region", config.region)],
        proxy_headers=False,
        timeout_graceful_shutdown=int(settings.drain),
    )
    return _Server(told, door, settings.drain)


def _beside(config: Config, worker: Worker, server: _Server) -> Iterator[Coroutine[Any, Any, None]]:
    """What runs while callers are served."""
    connections = cast("set[GateProtocol]", server.server_state.connections)
    yield worker.keyring.keep_fresh()
    yield worker.prices.keep()
    yield _tell_figures(config, worker)
    yield _look_at_limits(config, worker)
    yield _sync_journal(config, worker)
    yield worker.held_records.keep()
    yield filewatch.watch(worker.files, connections)


async def _tell_figures(config: Config, worker: Worker) -> None:
    """Tell once a second what this worker is doing, for who asks any of them for the figures."""
    if config.metrics_dir is None:
        return
    with closing(Sheet(config.metrics_dir, "worker")) as sheet:
        while True:
            sheet.write(worker.figures())
            await asyncio.sleep(_TELL_EVERY)


async def _look_at_limits(config: Config, worker: Worker) -> None:
    """Keep what the figures tell of limits on tokens and money a few seconds old."""
    while config.metrics_dir is not None:
        began = time.process_time()
        await worker.limit_levels.look(time.time())
        took = time.process_time() - began
        await asyncio.sleep(min(max(_LOOK_EVERY, took * _LOOK_PAUSE), _LOOK_SELDOM))


async def _sync_journal(config: Config, worker: Worker) -> None:
    """Have the records on the disk within a second or so, if that is wanted."""
    while config.settings.journal.fsync == "second":
        await asyncio.sleep(_SYNC_EVERY)
        await asyncio.to_thread(worker.sync_journal)


async def _say_last_words(server: uvicorn.Server) -> None:
    """Let requests that outlasted the drain, and have just been cancelled, tell their callers."""
    if server.server_state.tasks:
        await asyncio.wait(set(server.server_state.tasks), timeout=_LAST_WORDS)
        await asyncio.sleep(_FLUSH)


async def _follow(supervisor: int, server: uvicorn.Server, signs: Signs) -> None:
    """Show life while there is a supervisor to see it. When it is gone, drain and end, so that
    nobody holds the port in its place.
    """
    while not orphaned(supervisor):
        signs.alive()
        await asyncio.sleep(_FOLLOW_EVERY)
    server.should_exit = True
