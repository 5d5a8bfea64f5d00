"""How a record is framed in the journal: one line, so that a damaged one can be recognised.

    cg1 <length, 8 hex digits> <CRC-32, 8 hex digits> <the record's JSON>\\n

JSON carries no line break that means anything, so a line break always ends a frame: a reader finds
its place again after any damage, and `grep` works.
"""

from __future__ import annotations

import re
import struct
from binascii import hexlify
from typing import Final
from zlib import crc32

_HEAD_BYTES = 22
_NUMBERS: Final = struct.Struct(">II")
_LINE_BREAK: Final = 0x0A
# No string inside a record can look like this, because JSON escapes its quotation marks.
_HEAD = re.compile(rb'cg1 ([0-9a-f]{8}) ([0-9a-f]{8}) (?=\{")')


def frame(record: bytes) -> bytes:
    """The record's JSON as a line of the journal."""
    if _LINE_BREAK in record:
        record = record.replace(b"\n", b" ")
    numbers = hexlify(_NUMBERS.pack(len(record), crc32(record)), b" ", 4)
    return b"cg1 %b %b\n" % (numbers, record)


def unframe(data: bytes, start: int = 0, end: int | None = None) -> bytes | None:
    """The record of the line `data[start:end]`, which stands there without its line break.

    None where the line is damaged. Copies nothing but the record.
    """
    begin = start + _HEAD_BYTES
    record = data[begin:end]
    numbers = hexlify(_NUMBERS.pack(len(record), crc32(record)), b" ", 4)
    # Cut out and compared: to ask what a line starts with costs twice as much.
    return record if record and data[start:begin] == b"cg1 %b " % numbers else None


def salvage(line: bytes) -> list[bytes]:
    """The sound records inside a damaged line, such as two frames with the break between lost."""
    records = []
    at = 0
    while (head := _HEAD.search(line, at)) is not None:
        end = head.end() + int(head[1], 16)
        record = line[head.end() : end]
        if end <= len(line) and crc32(record) == int(head[2], 16):
            records.append(record)
            at = end
        else:
            at = head.start() + 1
    return records
