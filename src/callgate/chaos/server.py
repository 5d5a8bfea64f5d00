"""The chaos upstream: a provider of every dialect that misbehaves as the model's name says."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, Self, TypeVar

from callgate.chaos.answer import Ask, answer_to
from callgate.chaos.anthropic import Anthropic
from callgate.chaos.bedrock import Bedrock
from callgate.chaos.cohere import Cohere
from callgate.chaos.dialect import Dialect, Reply, told
from callgate.chaos.exchange import LONGEST_WAIT, Exchange, Left
from callgate.chaos.faults import FAULTS, found
from callgate.chaos.gemini import Gemini
from callgate.chaos.openai import OpenAI
from callgate.chaos.request import MAX_HEAD_BYTES, Malformed, Request, read_request

IDLE = 600.0
"""Seconds that a connection may lie idle, or take to send a request."""
MAX_SEEN = 100_000
"""So many requests are remembered; then the older half is forgotten."""
MAX_COUNTED = 10_000
_LINGER = 5.0

K = TypeVar("K")
V = TypeVar("V")

DIALECTS: tuple[Dialect, ...] = (Anthropic(), Gemini(), OpenAI(), Bedrock(), Cohere())
"""The first that knows a path has it; the lists of models share some, told apart by headers."""


class Seen(NamedTuple):
    """A request as it came; `time` is in seconds of `time.monotonic`."""

    time: float
    dialect: str
    model: str
    stream: bool


class Chaos:
    """The server. `async with Chaos() as chaos:` runs it; port 0 lets the system choose.

    `requests` are those with a known dialect in the order in which they came; `left` are those
    whose caller left before the end, with the time of that. `pace` is the pause between two words
    of a stream in seconds. Raises OSError where the port cannot be had.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, pace: float = 0.0) -> None:
        self.host, self.port, self.pace = host, port, pace
        self.requests: list[Seen] = []
        self.left: list[Seen] = []
        self._counts: dict[tuple[str, str, str], int] = {}
        self._since: dict[tuple[str, str], float] = {}
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """`http://host:port`, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def open_connections(self) -> int:
        """How many connections callers have open at this moment."""
        return len(self._tasks)

    def reset(self) -> None:
        """Forget everything that came: what fails once, or in turns, starts again."""
        self.requests.clear()
        self.left.clear()
        self._counts.clear()
        self._since.clear()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(
            self._connected, self.host, self.port, limit=MAX_HEAD_BYTES, backlog=1024
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: any number of requests."""
        try:
            while True:
                async with asyncio.timeout(IDLE):
                    request = await read_request(reader, writer)
                if not await self._answer(request, reader, writer) or not request.keep_alive:
                    break
        except Malformed as error:
            writer.write(_plain(400, str(error)))
        except (ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
            raise
        finally:
            await _close(writer)

    async def _answer(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        """Answer one request; say whether the connection can take another."""
        if request.method == "GET":
            return await self._list(request, reader, writer)
        for dialect in DIALECTS:
            try:
                ask = dialect.ask(request)
            except ValueError as error:
                exchange = self._exchange(reader, writer, dialect, Ask("", stream=False))
                await exchange.reply(told(dialect, "bad_request", str(error)))
                return exchange.keep
            if ask is not None:
                return await self._misbehave(request, reader, writer, dialect, ask)
        writer.write(_plain(404, f"No such path: {request.path[:200]}"))
        return False

    async def _misbehave(
        self,
        request: Request,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        dialect: Dialect,
        ask: Ask,
    ) -> bool:
        now = time.monotonic()
        seen = Seen(now, dialect.name, ask.model, ask.stream)
        _remember(self.requests, seen)
        exchange = self._exchange(reader, writer, dialect, ask)
        fault = found(ask.model)
        if fault is None:
            known = ", ".join(row.shown for row in FAULTS.values())
            message = f"The model '{ask.model[:200]}' does not exist; there are: {known}"
            await exchange.reply(told(dialect, "not_found", message))
            return exchange.keep
        exchange.count = self._counted(request.caller, dialect.name, ask.model)
        exchange.age = now - _bounded(self._since, (dialect.name, ask.model), now)
        try:
            async with asyncio.timeout(LONGEST_WAIT):
                await fault[0].act(exchange, fault[1])
            return exchange.keep
        except ConnectionError:
            _remember(self.left, seen._replace(time=time.monotonic()))
            raise Left from None

    async def _list(
        self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        names = list(FAULTS)
        for dialect in DIALECTS:
            body = dialect.models(names, request)
            if body is not None:
                exchange = self._exchange(reader, writer, dialect, Ask("", stream=False))
                await exchange.reply(Reply(200, body))
                return exchange.keep
        writer.write(_plain(404, f"No such path: {request.path[:200]}"))
        return False

    def _exchange(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        dialect: Dialect,
        ask: Ask,
    ) -> Exchange:
        self._number += 1
        answer = answer_to(ask, f"chaos-{self._number}")
        return Exchange(reader, writer, dialect, ask, answer, pace=self.pace)

    def _counted(self, caller: str, dialect: str, model: str) -> int:
        before = _bounded(self._counts, (caller, dialect, model), 0)
        self._counts[caller, dialect, model] = before + 1
        return before


@contextmanager
def running_chaos(port: int = 0, *, pace: float = 0.0) -> Iterator[Chaos]:
    """A chaos upstream on loopback, in a thread of its own."""
    chaos = Chaos(port=port, pace=pace)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        runner.run(chaos.__aenter__())
        thread = threading.Thread(target=loop.run_forever, daemon=True)
        thread.start()
        try:
            yield chaos
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            runner.run(chaos.__aexit__())


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close once all is sent, or else after a while."""
    writer.close()
    with suppress(ConnectionError):
        try:
            async with asyncio.timeout(_LINGER):
                await writer.wait_closed()
        except TimeoutError:
            writer.transport.abort()


def _plain(status: int, message: str) -> bytes:
    body = message.encode()
    head = f"HTTP/1.1 {status} X\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n"
    return head.encode() + b"connection: close\r\n\r\n" + body


def _remember(memory: list[Seen], seen: Seen) -> None:
    memory.append(seen)
    if len(memory) > MAX_SEEN:
        del memory[: MAX_SEEN // 2]


def _bounded(memory: dict[K, V], key: K, first: V) -> V:
    """What is remembered of a key, at first `first`; the oldest is forgotten when it is full."""
    if key not in memory and len(memory) >= MAX_COUNTED:
        del memory[next(iter(memory))]
    return memory.setdefault(key, first)
