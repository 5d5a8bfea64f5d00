"""Content codings that an upstream applied although the request asked for `identity`."""

from __future__ import annotations

import zlib
from typing import Any

_GZIP = 16 + zlib.MAX_WBITS
_RAW = -zlib.MAX_WBITS
_SLICE = 16 * 1024
"""Bytes that zlib is given at a time. It copies what is left of them at the end of each member, of
which there may be one every 20 bytes."""


class Inflater:
    """Decodes gzip (RFC 1952, several members too) and deflate (RFC 1950, or bare RFC 1951).

    The output is taken in bounded pieces, so a small input cannot become a large allocation;
    `given` counts all of it.
    """

    __slots__ = ("_at", "_full", "_gzip", "_input", "_zlib", "given")

    def __init__(self, coding: str) -> None:
        self._gzip = coding == "gzip"
        self._input = b""
        self._at = 0  # how much of it is done with
        self._full = False
        self._zlib: Any = None
        self.given = 0

    @property
    def whole(self) -> bool:
        """Whether the encoded data ends exactly with the bytes pushed so far."""
        return self._at == len(self._input) and (self._zlib is None or self._zlib.eof)

    def push(self, data: bytes) -> None:
        """Add encoded bytes."""
        self._input = self._input[self._at :] + data
        self._at = 0

    def pull(self, limit: int) -> bytes:
        """Up to `limit` (above 0) decoded bytes; empty where more input is needed.

        Raises zlib.error.
        """
        while self._at < len(self._input) or self._full:
            if self._zlib is None or self._zlib.eof:
                bits = self._bits()
                if bits is None:
                    return b""
                self._zlib = zlib.decompressobj(bits)
            piece = self._input[self._at : self._at + _SLICE]
            output: bytes = self._zlib.decompress(piece, limit)
            self._full = len(output) == limit and not self._zlib.eof
            left = self._zlib.unused_data or self._zlib.unconsumed_tail
            self._at += len(piece) - len(left)
            self.given += len(output)
            if output:
                return output
        return b""

    def _bits(self) -> int | None:
        if self._gzip:
            return _GZIP
        if self._zlib is not None:
            raise zlib.error("data after the end")
        if len(self._input) - self._at < 2:
            return None
        # RFC 1950, 2.2: method 8 in the low bits, and the two bytes a multiple of 31.
        first, second = self._input[self._at : self._at + 2]
        header = first & 15 == 8 and (first << 8 | second) % 31 == 0
        return zlib.MAX_WBITS if header else _RAW


def inflater(coding: str) -> Inflater | None:
    """The decoder for a `Content-Encoding`, None for identity. Raises ValueError if unknown."""
    name = coding.strip().lower().removeprefix("x-")
    if name in ("", "identity"):
        return None
    if name not in ("gzip", "deflate"):
        raise ValueError(name)
    return Inflater(name)
