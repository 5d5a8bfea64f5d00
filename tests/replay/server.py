"""A provider that says again what was recorded: which recording, the upstream model's name tells.

How a stream is cut is told by what the name ends in, see `records.WAYS`.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from urllib.parse import unquote

from loopserver import in_thread

from .records import Recording, body_of, end_of

_MODEL = re.compile(r"/model/([^/]+)/|/models/([^/]+):|/deployments/([^/]+)/")
_OPERATION = re.compile(r"[:/]")
_FRAMING = frozenset({"content-length", "transfer-encoding", "content-encoding", "connection"})
_SIZES = (1, 2, 3, 7, 20, 100, 500)


class Replay:
    """The server's state; `refused` says what was asked for in a way that no provider takes."""

    def __init__(self, records: list[Recording]) -> None:
        self.port = 0
        self.refused: list[str] = []
        self._records: Mapping[str, Recording] = {record["id"]: record for record in records}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: any number of requests."""
        with closing(writer), suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.split("\r\n")[:-2]
                headers = dict(line.lower().split(": ", 1) for line in lines)
                body = json.loads(await reader.readexactly(int(headers["content-length"])))
                path = first.split(" ")[1]
                found = _MODEL.search(path)
                name = unquote(found[found.lastindex or 0]) if found else body["model"]
                id_, _, cut = name.partition("~")
                record = self._records[id_]
                streams = bool(body.get("stream")) or "stream" in _OPERATION.split(path)[-1]
                if streams is not record["stream"]:
                    self.refused.append(f"{name}: {path} is asked whether or not to stream")
                for piece in pieces(record, name, cut):
                    writer.write(piece)  # asyncio sets TCP_NODELAY: each goes out by itself
                    await asyncio.sleep(0)
                await writer.drain()
                if cut == "lost":
                    break


def pieces(record: Recording, name: str, cut: str) -> Iterator[bytes]:
    """The response as it is to be written: one piece, or as many as the name asks for."""
    response, body = record["response"], body_of(record)
    headers = {
        key: value for key, value in response["headers"].items() if key.lower() not in _FRAMING
    }
    whole = not record["stream"] or response["status"] != 200
    chance = random.Random(name)
    if cut in ("short", "lost"):
        body = body[: chance.randrange(end_of(record) or 1)]
    framing = f"content-length: {len(body)}" if whole else "transfer-encoding: chunked"
    lines = [f"{key}: {value}" for key, value in headers.items()]
    head = "\r\n".join([f"HTTP/1.1 {response['status']} X", *lines, framing, "", ""]).encode()
    if whole:
        yield from _cut(head + body, chance) if cut else (head + body,)
    elif cut == "pieces":
        yield head
        for piece in _cut(body, chance):
            yield _chunk(piece)
        yield _chunk(b"")
    else:
        framed = head + (_chunk(body) if body else b"") + (b"" if cut == "lost" else _chunk(b""))
        yield from _cut(framed, chance) if cut == "framing" else (framed,)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _cut(data: bytes, chance: random.Random) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        size = chance.choice(_SIZES)
        yield data[at : at + size]
        at += size


@contextmanager
def running(records: list[Recording]) -> Iterator[Replay]:
    """The server in a thread of its own, on a port of the system's choice."""
    replay = Replay(records)
    with in_thread(replay.serve, limit=2**24) as replay.port:
        yield replay
