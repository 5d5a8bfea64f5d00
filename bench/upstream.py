"""A fake provider that answers the OpenAI dialect with ready-made bytes.

Run as a process of its own: `python -m bench.upstream` prints the port it listens on. A request
with `"stream": true` gets `max_tokens` content events, then one with the finish reason, one with
the usage where `stream_options.include_usage` is asked for, and `[DONE]`; `seed` is the pause
between two events in milliseconds. Each event is a write, and an HTTP chunk, of its own. Wire
format: https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

import asyncio
import re
import sys
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: *(\d+)")
_STREAM = re.compile(rb'"stream": ?true')
_EVENTS = re.compile(rb'"max_(?:completion_)?tokens": ?(\d+)')
_PAUSE = re.compile(rb'"seed": ?(\d+)')
_USAGE = re.compile(rb'"include_usage": ?true')

_TEXT = (
    "The capital of France is Paris. It lies on the Seine in the north of the country, and has "
    "been the seat of its government for most of the time since the tenth century."
)
_BODY = (
    '{"id":"chatcmpl-fake0000000000000000000001","object":"chat.completion","created":1700000000,'
    '"model":"fake","choices":[{"index":0,"message":{"role":"assistant","content":"'
    f'{_TEXT}","refusal":null}},"logprobs":null,"finish_reason":"stop"}}],"usage":'
    '{"prompt_tokens":42,"completion_tokens":37,"total_tokens":79,"prompt_tokens_details":'
    '{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}},'
    '"system_fingerprint":"fp_fake"}'
).encode()
_WHOLE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nx-request-id: req_fake\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_BODY), _BODY)
)
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"x-request-id: req_fake\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def _event(rest: str) -> bytes:
    """One HTTP chunk that holds one event; `rest` follows the fields all chunks share."""
    data = (
        'data: {"id":"chatcmpl-fake0000000000000000000001","object":"chat.completion.chunk",'
        f'"created":1700000000,"model":"fake","system_fingerprint":"fp_fake",{rest}}}\n\n'
    ).encode()
    return b"%x\r\n%b\r\n" % (len(data), data)


_CONTENT = _event(
    '"choices":[{"index":0,"delta":{"content":" and"},"logprobs":null,"finish_reason":null}]'
)
_FINISH = _event('"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]')
_TOKENS = _event(
    '"choices":[],"usage":{"prompt_tokens":42,"completion_tokens":37,"total_tokens":79}'
)
_DONE = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"


def _number(pattern: re.Pattern[bytes], body: bytes, default: int) -> int:
    found = pattern.search(body)
    return int(found[1]) if found else default


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
            self._stream(data[end + 4 :])
        else:
            self._transport.write(_WHOLE)

    def _stream(self, body: bytes) -> None:
        self._transport.write(_STREAM_HEAD)
        tail = [_DONE, _TOKENS, _FINISH] if _USAGE.search(body) else [_DONE, _FINISH]
        pause = _number(_PAUSE, body, 10) / 1000
        self._next(_number(_EVENTS, body, 100), tail, pause, self._loop.time())

    def _next(self, contents: int, tail: list[bytes], pause: float, at: float) -> None:
        self._transport.write(_CONTENT if contents else tail.pop())
        if tail:
            at += pause
            left = max(contents - 1, 0)
            self._timer = self._loop.call_at(at, self._next, left, tail, pause, at)


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
