"""Server-sent events: bytes in, cut anywhere; events out.

https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from __future__ import annotations

from typing import Final

from callgate.errors import GatewayError

Event = tuple[str, bytes]
"""An event's name (`message` unless it says otherwise) and its data."""

MAX_EVENT_BYTES = 16 << 20

_BOM = b"\xef\xbb\xbf"
_CR: Final = 13  # as numbers, which `find` and `in` take fastest
_LF: Final = 10
_DEFAULT: Final = "message"


def only(data: bytes) -> Event | None:
    """The one event that these bytes are, from its first line to the empty one; None otherwise.

    What comes so between two events is passed over by a `Parser` to the same effect.
    """
    block = data[:-2]
    if not data.endswith(b"\n\n") or block.find(b"\n\n") >= 0 or _CR in block:
        return None
    return _parse(block)


def encode(data: bytes) -> bytes:
    """One event with these data, which hold no line break."""
    return b"data: " + data + b"\n\n"


class Parser:
    """An incremental parser of one event stream.

    Lines end in LF, CRLF or CR. Comments, `id` and `retry` are passed over. No more than
    `max_event_bytes` are held back for an event (and so for a line) that does not end.
    """

    __slots__ = ("_after_cr", "_between", "_buffer", "_fresh", "_limit", "_scanned")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._buffer = bytearray()
        self._scanned = 0
        self._fresh = True
        self._after_cr = False
        self._between = False
        self._limit = max_event_bytes

    @property
    def between(self) -> bool:
        """Whether nothing of an event is held back: the next byte begins one."""
        return self._between

    def feed(self, data: bytes) -> list[Event]:
        """Take the next bytes; give the events that they complete.

        Raises GatewayError `bad_upstream_reply` for an event beyond the bound.
        """
        if self._between and data[:6] == b"data: " and data[-2:] == b"\n\n":
            line = data[6:-2]  # one whole event, as nearly every read brings it
            if _LF not in line and _CR not in line and len(data) <= self._limit:
                return [(_DEFAULT, line)]
        events = self._any(data)
        self._between = not (self._buffer or self._after_cr or self._fresh)
        return events

    def close(self) -> list[Event]:
        """Take the end of the stream; give the event that it left without its empty line.

        The standard discards such an event. Servers that close right after `data: [DONE]` are
        common enough that it is handed out here, for the reader to judge.
        """
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._scanned = 0
        return self._events(rest)

    def _any(self, data: bytes) -> list[Event]:
        if self._fresh:
            data = self._strip_bom(data)
        if self._after_cr or _CR in data:
            data = self._normalise(data)
        if not self._buffer and data.endswith(b"\n\n"):
            block = data[:-2]
        else:
            buffer = self._buffer
            buffer += data
            end = buffer.rfind(b"\n\n", max(self._scanned - 1, 0))
            if end < 0:
                self._scanned = len(buffer)
                self._check(len(buffer))
                return []
            block = bytes(buffer[:end])
            del buffer[: end + 2]
            self._scanned = len(buffer)
            self._check(len(buffer))
        return self._events(block)

    def _events(self, text: bytes) -> list[Event]:
        events: list[Event] = []
        for block in text.split(b"\n\n"):
            self._check(len(block))
            if block.startswith(b"data: ") and _LF not in block:
                events.append((_DEFAULT, block[6:]))
            elif (event := _parse(block)) is not None:
                events.append(event)
        return events

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise GatewayError(
                "bad_upstream_reply",
                f"The provider sent an event larger than {self._limit} bytes.",
            )

    def _normalise(self, data: bytes) -> bytes:
        if self._after_cr and data.startswith(b"\n"):
            data = data[1:]
            self._after_cr = False
        if data:
            self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _strip_bom(self, data: bytes) -> bytes:
        head = bytes(self._buffer) + data
        self._buffer.clear()
        self._scanned = 0
        if len(head) < len(_BOM) and _BOM.startswith(head):
            self._buffer += head
            return b""
        self._fresh = False
        return head.removeprefix(_BOM)


def _parse(block: bytes) -> Event | None:
    name = _DEFAULT
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value.decode("utf-8", "replace") or _DEFAULT
    return (name, b"\n".join(data)) if data else None
