"""Reads requests off a connection: HTTP/1.1, as any client sends it, within bounds.

https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from callgate.core.jsontext import parse

MAX_HEAD_BYTES = 64 << 10
MAX_BODY_BYTES = 64 << 20
MAX_LINE_BYTES = 1 << 10
CREDENTIALS = ("authorization", "x-api-key", "api-key", "x-goog-api-key")

_HEX = re.compile(rb"[0-9A-Fa-f]{1,8}")
_AWS_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/,]+)")


class Malformed(ValueError):  # noqa: N818 - said of the request
    """Bytes that are no request, or one beyond the bounds."""


class Request(NamedTuple):
    """One request. Header names are in lower case; `path` is without the query, still encoded."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    keep_alive: bool

    @property
    def caller(self) -> str:
        """Who asks: a digest of the credentials, the same for all requests that carry them."""
        given = next((self.headers[name] for name in CREDENTIALS if name in self.headers), "")
        signed = _AWS_KEY.match(given)  # the rest of it is another for every request
        return hashlib.sha256((signed[1] if signed else given).encode()).hexdigest()[:16]

    def json(self) -> dict[str, Any]:
        """The body's object. Raises ValueError where it is none."""
        value = parse(self.body)
        if not isinstance(value, dict):
            raise ValueError("the body is not a JSON object")
        return value


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request:
    """The next request; a client that waits for `100 Continue` gets it.

    Raises Malformed, and IncompleteReadError once the client has left.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError:
        raise Malformed("the head is too large") from None
    first, *lines = head.decode("latin-1").split("\r\n")[:-2]
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise Malformed("no request line")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or name != name.strip():
            raise Malformed("a line that is not a header")
        headers[name.lower()] = value.strip()
    if headers.get("expect", "").lower() == "100-continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    try:
        path = urlsplit(words[1]).path
    except ValueError:
        raise Malformed("no target") from None
    close = "close" in headers.get("connection", "").lower() or words[2] == "HTTP/1.0"
    return Request(words[0], path, headers, await _body(reader, headers), not close)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if "transfer-encoding" in headers:
        return await _chunked(reader)
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or len(length) > 12:
        raise Malformed("no length")
    if int(length) > MAX_BODY_BYTES:
        raise Malformed("the body is too large")
    return await reader.readexactly(int(length))


async def _chunked(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := await _size(reader):
        if len(body) + size > MAX_BODY_BYTES:
            raise Malformed("the body is too large")
        body += (await reader.readexactly(size + 2))[:-2]
    for _ in range(100):
        if await _line(reader) == b"\r\n":
            return bytes(body)
    raise Malformed("too many trailers")


async def _size(reader: asyncio.StreamReader) -> int:
    digits = (await _line(reader)).partition(b";")[0].strip()
    if not _HEX.fullmatch(digits):
        raise Malformed("no size of a chunk")
    return int(digits, 16)


async def _line(reader: asyncio.StreamReader) -> bytes:
    try:
        line = await reader.readuntil(b"\r\n")
    except asyncio.LimitOverrunError:
        raise Malformed("a line that is too long") from None
    if len(line) > MAX_LINE_BYTES:
        raise Malformed("a line that is too long")
    return line
