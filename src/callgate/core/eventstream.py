"""Amazon's binary event stream: bytes in, cut anywhere; messages out.

https://smithy.io/2.0/aws/amazon-eventstream.html (`application/vnd.amazon.eventstream`)
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple
from zlib import crc32

from callgate.errors import GatewayError

Value = bool | int | bytes | str | datetime | uuid.UUID

MAX_MESSAGE_BYTES = 24 << 20
"""The format's own bound: a payload of 16 MB (base64 of it fits too) and its headers."""
MAX_HEADER_BYTES = 128 << 10

_PRELUDE = struct.Struct(">III")  # length of all, length of the headers, CRC of these eight bytes
_CRC = struct.Struct(">I")
_LEAST = _PRELUDE.size + _CRC.size
_MAX_KNOWN = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Message(NamedTuple):
    """One message; names of headers that the format itself defines begin with a colon."""

    headers: Mapping[str, Value]
    payload: bytes


class Parser:
    """An incremental parser of one event stream.

    Holds back no more than one message of `max_message_bytes`.
    """

    __slots__ = ("_awaited", "_buffer", "_known", "_limit")

    def __init__(self, max_message_bytes: int = MAX_MESSAGE_BYTES) -> None:
        self._buffer = bytearray()
        self._awaited = 0  # how much the buffer must hold before it is worth a look
        self._limit = max_message_bytes
        self._known: dict[bytes, Mapping[str, Value]] = {}  # a stream repeats a few sets of headers

    def feed(self, data: bytes) -> tuple[list[Message], GatewayError | None]:
        """Take the next bytes; give the messages that they complete, and what ails the rest.

        The failure is `bad_upstream_reply`: a checksum that does not match, a length or a header
        that cannot be. Nothing after it can be made sense of.
        """
        messages: list[Message] = []
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._awaited:
                return messages, None
            data = bytes(self._buffer)
        self._awaited = _PRELUDE.size
        at = 0
        failure = None
        try:
            while len(data) - at >= _PRELUDE.size:
                length, of_headers = self._prelude(data, at)
                if len(data) - at < length:
                    self._awaited = length
                    break
                messages.append(self._message(data[at : at + length], of_headers))
                at += length
        except ValueError as error:
            failure = GatewayError(
                "bad_upstream_reply", f"The provider sent a broken event stream: {error}."
            )
        self._buffer[:] = memoryview(data)[at:]
        return messages, failure

    def _prelude(self, data: bytes, at: int) -> tuple[int, int]:
        length, of_headers, check = _PRELUDE.unpack_from(data, at)
        if crc32(data[at : at + 8]) != check:
            raise ValueError("the checksum of a prelude does not match")
        if not _LEAST <= length <= self._limit:
            raise ValueError(f"a message of {length} bytes")
        if of_headers > min(length - _LEAST, MAX_HEADER_BYTES):
            raise ValueError(f"headers of {of_headers} bytes in a message of {length}")
        return length, of_headers

    def _message(self, message: bytes, of_headers: int) -> Message:
        end = len(message) - _CRC.size
        if crc32(memoryview(message)[:end]) != _CRC.unpack_from(message, end)[0]:
            raise ValueError("the checksum of a message does not match")
        start = _PRELUDE.size + of_headers
        block = message[_PRELUDE.size : start]
        headers = self._known.get(block)
        if headers is None:
            headers = MappingProxyType(_headers(block))
            if len(self._known) < _MAX_KNOWN:
                self._known[block] = headers
        return Message(headers, message[start:end])


def resealed(stream: bytes) -> bytes:
    """The stream with its messages' checksums recomputed, after bytes inside them were replaced.

    What is no whole message is left as it is.
    """
    data = bytearray(stream)
    at = 0
    while len(data) - at >= _PRELUDE.size:
        length, _, check = _PRELUDE.unpack_from(data, at)
        end = at + length - _CRC.size
        if crc32(data[at : at + 8]) != check or length < _LEAST or end + _CRC.size > len(data):
            break
        _CRC.pack_into(data, end, crc32(memoryview(data)[at:end]))
        at += length
    return bytes(data)


def _headers(block: bytes) -> dict[str, Value]:
    headers: dict[str, Value] = {}
    at = 0
    while at < len(block):
        size = block[at]
        raw, at = _take(block, at + 1, size)
        name = raw.decode("utf-8", "replace")
        (kind,), at = _take(block, at, 1)
        if kind in _FIXED:
            size, read = _FIXED[kind]
        elif kind in _SIZED:
            length, at = _take(block, at, 2)
            size, read = int.from_bytes(length, "big"), _SIZED[kind]
        else:
            raise ValueError(f"a header of type {kind}")
        raw, at = _take(block, at, size)
        headers[name] = read(raw)
    return headers


def _take(block: bytes, at: int, size: int) -> tuple[bytes, int]:
    raw = block[at : at + size]
    if len(raw) != size:
        raise ValueError("a header that breaks off")
    return raw, at + size


def _integer(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def _timestamp(raw: bytes) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=_integer(raw))
    except OverflowError:
        raise ValueError("a time out of range") from None


_FIXED: Mapping[int, tuple[int, Callable[[bytes], Value]]] = MappingProxyType(
    {
        0: (0, lambda _: True),
        1: (0, lambda _: False),
        2: (1, _integer),
        3: (2, _integer),
        4: (4, _integer),
        5: (8, _integer),
        8: (8, _timestamp),
        9: (16, lambda raw: uuid.UUID(bytes=raw)),
    }
)
_SIZED: Mapping[int, Callable[[bytes], Value]] = MappingProxyType(
    {6: bytes, 7: lambda raw: raw.decode("utf-8", "replace")}
)
