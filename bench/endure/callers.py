"""Callers that keep account of every answer, and of every one that they did not get."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from bench.endure.fleet import ACCOUNTS, Gateway

_PATIENCE = 30.0
_LONGEST_CONNECTION = 60
_DONE = b"data: [DONE]\n\n"


class Answer(NamedTuple):
    """An answer that was received whole. `began` is Unix seconds, `took` seconds.

    `failed`: it is an error, be it within a stream. `remaining` and `reset` are as the headers of
    the limit have them, -1 where there are none.
    """

    request_id: str
    own_id: str
    gateway: int
    account: str
    model: str
    status: int
    began: float
    took: float
    streamed: bool
    failed: bool
    degraded: bool
    remaining: int
    reset: int


class Broken(NamedTuple):
    """A request without a whole answer. `how` is `refused`, `cut` or `late`; `began` Unix seconds.

    `up`: the gateway was to be there all the while.
    """

    own_id: str
    gateway: int
    how: str
    began: float
    up: bool


class Load(NamedTuple):
    """What is asked: how fast, by how many callers at once, which share as a stream.

    A stream has 20 events, `pause_ms` apart. `enough` requests are sent, or until `stop`.
    """

    models: Sequence[str]
    rate: float
    callers: int = 48
    streams: float = 0.2
    pause_ms: int = 5
    enough: int = 10**9


class Callers:
    """Sends a load to the gateways; `answers` and `broken` are what became of it."""

    def __init__(self, gateways: Sequence[Gateway], keys: Mapping[str, str], seed: int = 1) -> None:
        self.answers: list[Answer] = []
        self.broken: list[Broken] = []
        self.sent = 0
        self._gateways = gateways
        self._keys = keys
        self._chance = random.Random(seed)
        self._stop = False
        self._left = 0

    async def run(self, load: Load) -> None:
        """Send it to its end."""
        self._stop, self._left = False, load.enough
        await asyncio.gather(*(self._keep_asking(load, number) for number in range(load.callers)))

    def stop(self) -> None:
        """Send no more; `run` ends once all is answered."""
        self._stop = True

    async def _keep_asking(self, load: Load, number: int) -> None:
        at = number % len(self._gateways)
        interval = load.callers / load.rate
        due = time.monotonic() + interval * number / load.callers
        while not self._stop and self._left > 0:
            connection = Connection(self._gateways[at].port)
            try:
                # Some connections are for one request, some live long.
                for _ in range(self._chance.choice((1, 5, _LONGEST_CONNECTION))):
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    due = max(due + interval, time.monotonic())
                    if self._stop or self._left <= 0:
                        return
                    self._left -= 1
                    if not await self._ask(connection, load, at):
                        break
            finally:
                connection.close()

    async def _ask(self, connection: Connection, load: Load, at: int) -> bool:
        """Whether the connection can be used for another one."""
        chance, gateway = self._chance, self._gateways[at]
        account, model = chance.choice(ACCOUNTS), chance.choice(load.models)
        streamed = chance.random() < load.streams
        body: dict[str, object] = {"model": model, "prompt": "How are you?", "max_tokens": 20}
        if streamed:
            body |= {"stream": True, "seed": load.pause_ms}
        self.sent += 1
        own_id, payload = f"endure-{self.sent}", json.dumps(body).encode()
        request = (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: endure\r\nauthorization: %b\r\n"
            b"x-client-request-id: %b\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n%b"
            % (self._keys[account].encode(), own_id.encode(), len(payload), payload)
        )
        up, began, clock = gateway.up, time.time(), time.perf_counter()
        try:
            async with asyncio.timeout(_PATIENCE):
                status, headers, reply = await connection.exchange(request)
        except ConnectionRefusedError:
            how = "refused"
        except TimeoutError:
            how = "late"
        except (OSError, EOFError, ValueError):
            how = "cut"
        else:
            self.answers.append(
                Answer(
                    request_id=headers.get(b"x-request-id", b"").decode(),
                    own_id=own_id,
                    gateway=at,
                    account=account,
                    model=model,
                    status=status,
                    began=began,
                    took=time.perf_counter() - clock,
                    streamed=streamed,
                    failed=status != 200 or (streamed and not reply.endswith(_DONE)),
                    degraded=b"x-callgate-degraded" in headers,
                    remaining=int(headers.get(b"x-ratelimit-remaining", -1)),
                    reset=int(headers.get(b"x-ratelimit-reset", -1)),
                )
            )
            return headers.get(b"connection", b"").lower() != b"close"
        self.broken.append(Broken(own_id, at, how, began, up and gateway.up))
        if not gateway.up:
            await asyncio.sleep(0.05)
        return False


class Connection:
    """A connection that is opened with its first request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def exchange(self, request: bytes) -> tuple[int, dict[bytes, bytes], bytes]:
        """Status, headers and body. Raises OSError or EOFError where it is not whole."""
        if self._reader is None or self._writer is None:
            self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        reader = self._reader
        self._writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head[:-4].split(b"\r\n")
        parts = (line.partition(b":") for line in lines)
        headers = {name.lower(): value.strip() for name, _, value in parts}
        if b"content-length" in headers:
            body = await reader.readexactly(int(headers[b"content-length"]))
        else:
            body = await _chunks(reader)
        return int(first.split()[1]), headers, body

    def close(self) -> None:
        """Hang up."""
        if self._writer is not None:
            self._writer.transport.abort()


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readexactly(2)
    return bytes(body)
