"""One request's way back to the caller: sound responses, parts of them, and broken connections."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from http import HTTPStatus
from typing import NoReturn

from callgate.chaos.answer import Answer, Ask
from callgate.chaos.dialect import Dialect, Failure, Reply, told
from callgate.chaos.framing import LAST_CHUNK, chunk, to_json

JSON = "application/json"
LONGEST_WAIT = 3600.0
"""Seconds after which a caller that does not leave is left."""
_SETTLE = 0.05  # for what was sent to be read before the reset overtakes it

Headers = Iterable[tuple[str, str]]


class Left(ConnectionError):  # noqa: N818 - said of the caller
    """The caller has closed the connection."""


class Exchange:
    """What a fault works with: the request's `ask`, the `answer` to it, and ways to send it.

    `count` says how many requests of this caller for this model came before, `age` how many seconds
    ago the first of anybody's came; `pace` is the pause between two words in seconds. Each method
    that sends raises ConnectionError where the caller has left. `keep` turns false where the
    connection cannot be used again.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        dialect: Dialect,
        ask: Ask,
        answer: Answer,
        *,
        count: int = 0,
        age: float = 0.0,
        pace: float = 0.0,
    ) -> None:
        self.ask, self.answer, self.dialect = ask, answer, dialect
        self.count, self.age = count, age
        self.keep = True
        self._reader, self._writer, self._pace = reader, writer, pace

    @property
    def stream(self) -> bool:
        return self.ask.stream

    # Sound responses

    async def succeed(self, answer: Answer | None = None, headers: Headers = ()) -> None:
        """The whole answer, streamed if it was asked for so."""
        answer = answer or self.answer
        if self.stream:
            self.begin(headers)
            await self.send(self.events(answer))
            await self.end()
        else:
            await self.reply(Reply(200, self.dialect.whole(answer), tuple(headers)))

    async def fail(self, failure: Failure, headers: Headers = ()) -> None:
        """A failure in the dialect's own shape, before any answer."""
        reply = told(self.dialect, failure)
        await self.reply(reply._replace(headers=(*reply.headers, *headers)))

    async def reply(self, reply: Reply) -> None:
        """A whole response."""
        body = to_json(reply.body)
        self._head(reply.status, JSON, (*reply.headers, ("content-length", str(len(body)))))
        await self.write(body)

    def events(self, answer: Answer, *, mark: bool = True) -> list[bytes]:
        """All events of the streamed answer, with or without the one that marks the end."""
        dialect = self.dialect
        return [
            *dialect.opening(answer),
            *(dialect.word(answer, piece) for piece in answer.pieces),
            *dialect.closing(answer),
            *(dialect.mark(answer) if mark else ()),
        ]

    def beginning(self, words: int) -> list[bytes]:
        """The opening of the streamed answer, and so many words."""
        opening = self.dialect.opening(self.answer)
        return self.events(self.answer)[: len(opening) + min(words, len(self.answer.pieces))]

    # Parts of responses

    def begin(self, headers: Headers = (), kind: str = "") -> None:
        """The head of a response in chunks; a stream's, unless `kind` is another content type."""
        kind = kind or self.dialect.stream_type
        self._head(200, kind, (*headers, ("transfer-encoding", "chunked")))

    async def send(self, events: Sequence[bytes]) -> None:
        """Some chunks, each a write of its own."""
        for event in events:
            await self.write(chunk(event))
            await asyncio.sleep(self._pace)

    async def end(self) -> None:
        """The last chunk, by which a body in chunks is over."""
        await self.write(LAST_CHUNK)

    def begin_whole(self, length: int) -> None:
        """The head of a response that is to have a body of so many bytes."""
        self._head(200, JSON, (("content-length", str(length)),))

    async def part(self, words: int) -> None:
        """A stream's first words, or the first half of a body that was announced as a whole one."""
        if self.stream:
            self.begin()
            await self.send(self.beginning(words))
            return
        body = to_json(self.dialect.whole(self.answer))
        self.begin_whole(len(body))
        await self.write(body[: len(body) // 2])

    async def write(self, data: bytes) -> None:
        if self._writer.is_closing():
            raise Left
        self._writer.write(data)
        await self._writer.drain()

    # Time and the connection

    async def wait(self, seconds: float) -> None:
        """Say nothing for a while. Raises Left as soon as the caller leaves."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await self._reader.read(1 << 16):
                    pass
                raise Left

    async def stay_silent(self) -> NoReturn:
        """Say nothing more. Raises Left once the caller has left."""
        await self.wait(LONGEST_WAIT)
        raise Left

    def close(self) -> None:
        """Close as if all were said."""
        self.keep = False
        self._writer.close()

    async def reset(self, *, settle: bool = False) -> None:
        """Break the connection, so that the caller gets a reset (RST)."""
        if settle:
            await self.wait(_SETTLE)
        self.keep = False
        if self._writer.transport.is_closing():
            raise Left
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def _head(self, status: int, kind: str, headers: Headers) -> None:
        self._writer.write(b"".join(self._lines(status, kind, headers)))

    def _lines(self, status: int, kind: str, headers: Headers) -> Iterator[bytes]:
        yield f"HTTP/1.1 {status} {_reason(status)}\r\ncontent-type: {kind}\r\n".encode()
        yield f"{self.dialect.id_header}: {self.answer.id}\r\n".encode()
        for name, value in headers:
            yield f"{name}: {value}\r\n".encode()
        yield b"\r\n"


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unassigned"
