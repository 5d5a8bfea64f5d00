"""Makes frames of Amazon's binary event stream, apart from the code that reads them."""

from __future__ import annotations

import json
import struct
from typing import Any
from zlib import crc32


def frame(headers: list[tuple[str, int, bytes]], payload: bytes) -> bytes:
    """One frame; a header is its name, its type and its value as it stands on the wire."""
    block = b"".join(
        bytes([len(name.encode())]) + name.encode() + bytes([kind]) + value
        for name, kind, value in headers
    )
    prelude = struct.pack(">II", 16 + len(block) + len(payload), len(block))
    head = prelude + struct.pack(">I", crc32(prelude)) + block + payload
    return head + struct.pack(">I", crc32(head))


def text(name: str, value: str) -> tuple[str, int, bytes]:
    return name, 7, struct.pack(">H", len(value.encode())) + value.encode()


def event(name: str, body: Any, *, kind: str = "event") -> bytes:
    """An event, or an exception, as Bedrock sends them."""
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = [
        text(f":{kind}-type", name),
        text(":content-type", "application/json"),
        text(":message-type", kind),
    ]
    return frame(headers, payload)
