"""The reading side of an HTTP/1.1 client's exchange (RFC 9112), without I/O.

httptools parses; this holds what it finds and what it does not check: bounds, interim responses,
and bytes that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

# Phases of an exchange, in their order.
IDLE: Final = 0
REQUEST: Final = 1
HEAD: Final = 2
FIRST: Final = 3
BODY: Final = 4
COMPLETE: Final = 5
CLOSED: Final = 6

_START: Final = b"HTTP/1."
_MAX_REPEATS = 1000
_MAX_NAMES = 1024
_CODINGS = ("chunked", "identity")


class RefusedError(Exception):
    """An unacceptable reply; the text completes the sentence `the host sent …`."""


class ResponseReader:
    """What has arrived of the response in progress.

    The parser appends body bytes to `chunks` directly, without a Python frame. `keep` tells, once
    the phase is COMPLETE, whether the connection can carry another exchange; `surplus`, that it
    could, but for what follows the response. `names` is shared between readers: it maps header
    names as received to their lower-case form.
    """

    __slots__ = (
        "_body_end", "_feed", "_head_only", "_max_head", "_names", "_parser", "_prefix",
        "_repeats", "chunks", "headers", "keep", "on_body", "phase", "received", "status",
        "surplus",
    )  # fmt: skip

    def __init__(self, names: dict[bytes, str], max_header_bytes: int) -> None:
        self._names = names
        self._max_head = max_header_bytes
        self.chunks: list[bytes] = []
        self.on_body: Callable[[bytes], None] = self.chunks.append
        self._head_only = False
        self._parser = HttpResponseParser(self)
        self._feed = self._parser.feed_data
        self.phase = IDLE
        self.expect(head_only=False)
        self.phase = IDLE

    def expect(self, head_only: bool) -> None:
        """Make ready for the response to one request; `head_only` if that is a HEAD."""
        if self._head_only:  # the parser still waits for that body
            self._parser = HttpResponseParser(self)
            self._feed = self._parser.feed_data
        self.phase = HEAD
        self.surplus = False
        self.status = 0
        self.headers: dict[str, str] = {}
        self.keep = False
        self.received = self._repeats = 0
        self._body_end = -1
        self._prefix = b""
        self._head_only = head_only

    def feed(self, data: bytes) -> None:
        """Take the next bytes of a response that is not complete. Raises RefusedError."""
        received = self.received
        if received < len(_START) and (received or not data.startswith(_START)):
            self._check_start(data)
        self.received = received + len(data)
        try:
            self._feed(data)
        except (HttpParserError, HttpParserUpgrade) as exc:
            if self.phase != COMPLETE:
                raise self._refusal(exc) from None
            self.spoil()
        if self._body_end >= 0 and len(self.chunks) > self._body_end:
            del self.chunks[self._body_end :]
            self.spoil()
        if self.phase <= HEAD and self.received > self._max_head:
            raise RefusedError("more header bytes than are accepted")

    def feed_eof(self) -> bool:
        """Take the end of the connection; whether the response is complete, now or before."""
        self.keep = False
        if self.phase in (FIRST, BODY) and not (
            "content-length" in self.headers
            or "chunked" in self.headers.get("transfer-encoding", "")
        ):
            self.phase = COMPLETE
        return self.phase == COMPLETE

    def spoil(self) -> None:
        """Unsolicited bytes have come: the connection cannot carry another exchange."""
        self.surplus = self.surplus or self.keep
        self.keep = False

    def dispose(self) -> None:
        """Drop the parser, which refers back here; whatever is fed from now on is lost."""
        self._parser = HttpResponseParser(None)
        self._feed = self._parser.feed_data

    # --- the parser's callbacks -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.phase >= COMPLETE and self._body_end < 0:
            self._body_end = len(self.chunks)
            self.spoil()

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.phase > HEAD:
            return  # a trailer, or a second response
        key = self._names.get(name)
        if key is None:
            key = self._name(name)
        headers = self.headers
        if key not in headers:
            headers[key] = value.decode("latin-1").strip()
            return
        self._repeats += 1
        if self._repeats > _MAX_REPEATS:
            raise RefusedError("the same header too often")
        headers[key] = f"{headers[key]}, {value.decode('latin-1').strip()}"

    def on_headers_complete(self) -> None:
        if self.phase > HEAD:
            return
        status = self._parser.get_status_code()
        if status < 200:
            if status == 101:
                raise RefusedError("a change of protocol that was not asked for")
            return
        if self.received > self._max_head:
            self._check_size()
        if "transfer-encoding" in self.headers:
            self._check_coding()
        self.status = status
        if self._head_only:
            self.phase = COMPLETE
            self.keep = self._parser.should_keep_alive()
            self._body_end = 0
        else:
            self.phase = FIRST

    def on_message_complete(self) -> None:
        phase = self.phase
        if phase <= HEAD:
            self.headers.clear()  # those of an interim response
        elif phase < COMPLETE:
            self.phase = COMPLETE
            self.keep = self._parser.should_keep_alive()

    # --- checks off the common path -------------------------------------------------------------

    def _check_start(self, data: bytes) -> None:
        # llhttp takes RTSP and ICE for HTTP.
        self._prefix += data[: len(_START) - len(self._prefix)]
        if not _START.startswith(self._prefix):
            raise RefusedError("something that is not HTTP/1.1")

    def _check_size(self) -> None:
        size = sum(len(name) + len(value) + 4 for name, value in self.headers.items())
        if size > self._max_head:
            raise RefusedError("more header bytes than are accepted")

    def _check_coding(self) -> None:
        if self.headers["transfer-encoding"].lower() not in _CODINGS:
            raise RefusedError("a transfer coding that was not asked for")

    def _name(self, name: bytes) -> str:
        key = name.decode("latin-1").lower()
        if len(self._names) < _MAX_NAMES:
            self._names[name] = key
        return key

    def _refusal(self, exc: Exception) -> RefusedError:
        cause = exc.__context__
        if isinstance(cause, RefusedError):
            return cause
        if self.phase <= HEAD:
            return RefusedError("something that is not an HTTP/1.1 response")
        return RefusedError("a body with broken framing")
