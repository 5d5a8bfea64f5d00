"""Talking HTTP/1.1 to a gateway byte by byte, for tests of what no client library would send."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from gateway import Gateway

CHAT = b"/v1/chat/completions"
HELLO = b'{"model": "test-ok", "prompt": "x"}'
STREAM = b'{"model": "test-ok", "prompt": "x", "stream": true}'


class Answer(NamedTuple):
    """A response as it came. `body` has its transfer coding taken off."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The type of the error that it tells; its request id stands in body and header."""
        told = self.json
        assert told["request_id"] == self.headers["x-request-id"]
        assert told["code"] == told["error"]["code"] == self.status
        return str(told["error"]["type"])


def post(
    gateway: Gateway,
    body: bytes = HELLO,
    *extra: bytes,
    path: bytes = CHAT,
    version: bytes = b"1.1",
    close: bool = True,
) -> bytes:
    """A request with the gateway's key and these further header lines."""
    lines = [
        b"POST %b HTTP/%b" % (path, version),
        b"host: gateway",
        b"authorization: %b" % gateway.key.encode(),
        b"content-length: %d" % len(body),
        *([b"connection: close"] if close else []),
        *extra,
    ]
    return b"\r\n".join([*lines, b"", body])


def chunked(gateway: Gateway, *chunks: bytes) -> bytes:
    """A request whose body is sent in these, as they stand."""
    head = b"POST %b HTTP/1.1\r\nhost: gateway\r\nauthorization: %b\r\nconnection: close\r\n"
    framing = b"transfer-encoding: chunked\r\n\r\n"
    return head % (CHAT, gateway.key.encode()) + framing + b"".join(chunks)


@contextmanager
def connected(gateway: Gateway, timeout: float = 15) -> Iterator[socket.socket]:
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def drain(connection: socket.socket) -> bytes:
    """Whatever comes until the gateway hangs up. Raises TimeoutError where it does not."""
    received = b""
    try:
        while piece := connection.recv(65536):
            received += piece
    except ConnectionResetError:
        pass
    return received


def talk(gateway: Gateway, *pieces: bytes, pause: float = 0.0) -> list[Answer]:
    """Send these pieces, then read until the gateway hangs up."""
    with connected(gateway) as connection:
        for piece in pieces:
            connection.sendall(piece)
            if pause:
                time.sleep(pause)
        return list(answers(drain(connection)))


def read_answer(connection: socket.socket) -> Answer:
    """Exactly one response with a length; the connection stays."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        assert piece, f"hung up after {received!r}"
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    _, headers = _parse_head(head)
    while len(body) < int(headers["content-length"]):
        piece = connection.recv(65536)
        assert piece, "hung up during the body"
        body += piece
    (answer,) = answers(head + b"\r\n\r\n" + body)
    return answer


def answers(data: bytes, *, bodies: bool = True) -> Iterator[Answer]:
    """Take the responses apart; `bodies` is false where they answer HEAD."""
    while data:
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, f"an unfinished head: {head!r}"
        status, headers = _parse_head(head)
        if status == 100:
            continue
        if not bodies:
            yield Answer(status, headers, b"")
        elif "content-length" in headers:
            length = int(headers["content-length"])
            assert len(data) >= length, "a body cut short"
            yield Answer(status, headers, data[:length])
            data = data[length:]
        elif headers.get("transfer-encoding") == "chunked":
            body, data = _unchunked(data)
            yield Answer(status, headers, body)
        else:
            yield Answer(status, headers, data)
            return


def _parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode("latin-1").split("\r\n")
    assert first.startswith("HTTP/1.1 "), first
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines)


def _unchunked(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        assert data[length : length + 2] == b"\r\n", "a chunk cut short"
        body, data = body + data[:length], data[length + 2 :]
        if length == 0:
            return body, data
