"""The callers: a constant rate of requests, some of which are given up half-way."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Sequence

_PATIENCE = 60.0
_LONGEST_STAY = 1.0
_FAULTS = 20


class Callers:
    """Sends requests for `models`, each as often as any other; half of them stream.

    `vanishing` is the share of callers who hang up within a second. Half of the requests name the
    model `fallback` as a fallback. `outcomes` counts what became of them; `faults` are answers that
    should not have been possible; `sent` are the ids under which requests were sent.
    """

    def __init__(
        self,
        port: int,
        key: str,
        models: Sequence[str],
        *,
        fallback: str,
        vanishing: float,
        seed: int,
    ) -> None:
        self.sent: set[str] = set()
        self.outcomes: Counter[str] = Counter()
        self.faults: list[str] = []
        self.in_progress = 0
        self._port = port
        self._key = key
        self._models = models
        self._fallback = fallback
        self._vanishing = vanishing
        self._chance = random.Random(seed)
        self._callers: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, seconds: float) -> None:
        """Send at a constant rate, whatever comes back."""
        start = time.monotonic()
        for number in range(int(rate * seconds)):
            due = start + number / rate - time.monotonic()
            if due > 0:
                await asyncio.sleep(due)
            caller = asyncio.create_task(self._call(f"soak-{number}"))
            self._callers.add(caller)
            caller.add_done_callback(self._callers.discard)

    async def finish(self) -> None:
        """Wait for those that are still being answered."""
        if self._callers:
            await asyncio.wait(self._callers)

    async def _call(self, own_id: str) -> None:
        chance = self._chance
        model, streamed = chance.choice(self._models), chance.random() < 0.5
        body: dict[str, object] = {"model": model, "prompt": "How are you?", "stream": streamed}
        if chance.random() < 0.5:
            body["fallbacks"] = [{"model": self._fallback}]
        stay = None
        if chance.random() < self._vanishing:
            stay = chance.random() * _LONGEST_STAY
        self.in_progress += 1
        try:
            async with asyncio.timeout(_PATIENCE):
                reply = await self._exchange(own_id, json.dumps(body).encode(), stay)
        except TimeoutError:
            outcome = self._fault(f"{model}: no end within {_PATIENCE:g} s")
        except (OSError, EOFError) as error:
            outcome = self._fault(f"{model}: {error!r}")
        else:
            outcome = "vanished" if reply is None else self._judge(model, reply, streamed=streamed)
        self.in_progress -= 1
        self.outcomes[outcome] += 1

    async def _exchange(self, own_id: str, body: bytes, stay: float | None) -> bytes | None:
        """The whole response as it came; None where the caller has left."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: soak\r\nconnection: close\r\n"
                b"authorization: %b\r\nx-client-request-id: %b\r\n"
                b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (self._key.encode(), own_id.encode(), len(body), body)
            )
            await writer.drain()
            self.sent.add(own_id)
            if stay is None:
                return await reader.read(-1)
            try:
                async with asyncio.timeout(stay):
                    return await reader.read(-1)
            except TimeoutError:
                return None
        finally:
            writer.transport.abort()

    def _judge(self, model: str, reply: bytes, *, streamed: bool) -> str:
        head, _, body = reply.partition(b"\r\n\r\n")
        status = int(head[9:12] or 0)
        try:
            if status != 200:
                return f"{status} {json.loads(body)['error']['type']}"
            if streamed:
                return _of_stream(body)
            if json.loads(body)["choices"][0]["message"]["content"]:
                return "answered"
        except (ValueError, KeyError, IndexError):
            pass
        return self._fault(f"{model}: {status}, neither an answer nor an error: {body[-300:]!r}")

    def _fault(self, what: str) -> str:
        if len(self.faults) < _FAULTS:
            self.faults.append(what)
        return "wrong"


def _of_stream(body: bytes) -> str:
    """How a stream ended. Raises ValueError where it ended without saying so."""
    *events, rest = body.split(b"\n\n")
    if rest == b"\r\n0\r\n\r\n" and events:
        if events[-1].endswith(b"data: [DONE]"):
            return "answered"
        if b"data: {" in events[-1] and b'"error":' in events[-1]:
            return "in-band error"
    raise ValueError("no end")
