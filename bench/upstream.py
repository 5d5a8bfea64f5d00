"""A fake provider that answers the dialects of OpenAI and Anthropic with ready-made bytes.

Run as a process of its own: `python -m bench.upstream` prints the port it listens on. A request
with `"stream": true` gets `max_tokens` events with text between those that open and close a stream
of its dialect; `seed` is the pause between two events in milliseconds, 10 where there is none.
Each event is a write, and an HTTP chunk, of its own.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Iterator
from itertools import chain, repeat
from typing import cast

import uvloop

from bench import answers
from bench.answers import Answers

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)")
_STREAM = re.compile(rb'"stream": ?true')
_EVENTS = re.compile(rb'"max_(?:completion_)?tokens": ?(\d+)')
_PAUSE = re.compile(rb'"seed": ?(\d+)')
_USAGE = re.compile(rb'"include_usage": ?true')
_MESSAGES = b"POST /v1/messages "


def _number(pattern: re.Pattern[bytes], body: bytes, default: int) -> int:
    found = pattern.search(body)
    return int(found[1]) if found else default


def _answers(request: bytes) -> Answers:
    if request.startswith(_MESSAGES):
        return answers.ANTHROPIC
    return answers.OPENAI_WITH_USAGE if _USAGE.search(request) else answers.OPENAI


class Upstream(asyncio.Protocol):
    """One connection; requests come one after another (no pipelining)."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._timer: asyncio.TimerHandle | None = None
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        if self._received:
            data = self._received + data
        end = data.find(b"\r\n\r\n")
        length = _LENGTH.search(data, 0, end + 2) if end >= 0 else None
        if end < 0 or (length and len(data) < end + 4 + int(length[1])):
            self._received = data
            return
        self._received = b""
        if _STREAM.search(data, end):
            self._stream(data[end + 4 :], _answers(data))
        else:
            self._transport.write(_answers(data).whole)

    def _stream(self, body: bytes, answer: Answers) -> None:
        self._transport.write(answer.head)
        contents = repeat(answer.content, _number(_EVENTS, body, 100))
        events = chain(answer.opening, contents, answer.closing)
        self._next(events, _number(_PAUSE, body, 10) / 1000, self._loop.time())

    def _next(self, events: Iterator[bytes], pause: float, at: float) -> None:
        event = next(events, None)
        if event is not None:
            self._transport.write(event)
            at += pause
            self._timer = self._loop.call_at(at, self._next, events, pause, at)


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Upstream, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)  # the end of stdin is the end of the bench
    server.close()


def main() -> None:
    """Serve until standard input ends."""
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
