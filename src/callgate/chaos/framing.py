"""How bytes are framed: chunks of HTTP, server-sent events, Amazon's binary events."""

from __future__ import annotations

import struct
from typing import Any
from zlib import crc32

import msgspec

LAST_CHUNK = b"0\r\n\r\n"

to_json = msgspec.json.Encoder().encode


def chunk(data: bytes) -> bytes:
    """One chunk of a body. https://www.rfc-editor.org/rfc/rfc9112#section-7.1"""
    return b"%x\r\n%b\r\n" % (len(data), data)


def sse(value: Any, event: str = "") -> bytes:
    """One server-sent event; bytes go out as they are, anything else as JSON.

    https://html.spec.whatwg.org/multipage/server-sent-events.html
    """
    data = value if isinstance(value, bytes) else to_json(value)
    return (f"event: {event}\n".encode() if event else b"") + b"data: " + data + b"\n\n"


def frame(name: str, value: Any, kind: str = "event") -> bytes:
    """One message of `application/vnd.amazon.eventstream`; `kind` is `event` or `exception`.

    https://smithy.io/2.0/aws/amazon-eventstream.html
    """
    payload = value if isinstance(value, bytes) else to_json(value)
    headers = b"".join(
        _header(*pair)
        for pair in (
            (f":{kind}-type", name),
            (":content-type", "application/json"),
            (":message-type", kind),
        )
    )
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    message = prelude + struct.pack(">I", crc32(prelude)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    text = 7
    return struct.pack(f">B{len(name)}sBH", len(name), name.encode(), text, len(value)) + (
        value.encode()
    )
