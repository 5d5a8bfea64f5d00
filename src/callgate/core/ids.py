"""Request ids: UUID version 7, so that an id carries its own time and ids sort by it.

Format: https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7 — 48 bits of Unix milliseconds,
the version, 12 random bits, the variant, 62 random bits.
"""

from __future__ import annotations

import re
from typing import Final

_RANDOM: Final = (0xFFF << 64) | ((1 << 62) - 1)
_FIXED: Final = (0x7 << 76) | (0b10 << 62)
_TIME: Final = (1 << 48) - 1

_REQUEST_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def uuid7(unix_ms: int, entropy: bytes | int) -> str:
    """A request id in lower-case canonical text.

    `unix_ms` is Unix milliseconds (its low 48 bits count); `entropy` holds at least 80 random
    bits: an int of that many, or 10 bytes.
    """
    chance = entropy if isinstance(entropy, int) else int.from_bytes(entropy, "big")
    number = (unix_ms & _TIME) << 80 | chance & _RANDOM | _FIXED
    text = number.to_bytes(16, "big").hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def unix_ms(request_id: str) -> int:
    """The Unix milliseconds that a request id carries. Raises ValueError where it is none."""
    if not is_request_id(request_id):
        raise ValueError("not a request id")
    return int(request_id[:8] + request_id[9:13], 16)


def is_request_id(text: str) -> bool:
    """Whether the text is a UUIDv7 as `uuid7` writes it."""
    return _REQUEST_ID.fullmatch(text) is not None
