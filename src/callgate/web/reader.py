"""The requests on one connection, one after another: the parser, and the limits on heads.

httptools parses (https://github.com/MagicStack/httptools); its callbacks are here. No I/O.
"""

from __future__ import annotations

import re
from typing import Any, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from callgate.core.forwarded import FORWARDED_FOR, MOST_BYTES
from callgate.errors import GatewayError
from callgate.web.malformed import malformed

_END: Final = b"\r\n\r\n"
# A read of up to this size is cheaper to search whole than to search for the end of its head.
_SHORT: Final = 1024
_PART: Final = len("\r\nupgrade")
_UPGRADE: Final = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class RequestReader:
    """Reports requests by calling the methods at its end, which the connection implements.

    `url` and `headers` are those of the head being read, names in lower case; `amid_head` and
    `amid_body` say what the next bytes belong to. `header_bytes` limits a head, and also whatever
    comes between the pieces of a body. If a header is sent more than once, its name is in
    `repeated` and the last value counts; with `joins`, those of `X-Forwarded-For` are joined.
    """

    __slots__ = (
        "_first_bytes", "_head_data", "_header_bytes", "_joins", "_later_bytes",
        "_read_began_amid", "_read_bytes", "_refusal", "amid_body", "amid_head", "headers",
        "parser", "repeated", "url",
    )  # fmt: skip

    def __init__(self, header_bytes: int, *, joins: bool = False) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        self.repeated: set[bytes] = set()
        self.amid_head = self.amid_body = self._read_began_amid = False
        self._header_bytes = header_bytes
        self._joins = joins
        self._head_data = b""  # everything read since the current head began
        self._read_bytes = self._first_bytes = self._later_bytes = 0
        self._refusal: GatewayError | None = None
        self.parser: Any = HttpRequestParser(self)
        # More may arrive after the last request of a connection; it is ignored.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed(self, data: bytes) -> None:
        """Parse what has been read."""
        size = len(data)
        self._read_bytes = size
        self._later_bytes += size
        self._read_began_amid = self.amid_body
        before = self._head_data[-_PART:] if self.amid_head else b""
        if self.amid_head:
            self._head_data += data
        else:
            self._head_data = data
        try:
            # A head has carriage returns; the rest of a body rarely does.
            if before or ((not self.amid_body or data.find(b"\r") >= 0) and _may_offer(data)):
                self._feed_without_upgrade(before, data)
            else:
                self.parser.feed_data(data)
        except HttpParserUpgrade:  # an upgrade that came in pieces: only this request is served
            self.upgraded()
        except HttpParserError as fault:
            self.refused(
                self._refusal or malformed(b"" if self.amid_body else self._head_data, fault)
            )
            return
        if self.amid_head:
            if self._is_too_large():
                self.refused(self._too_large())
            return
        self._head_data = b""
        if self.amid_body and self._later_bytes > self._header_bytes:
            self.refused(self._too_large())  # endless trailers, or a chunk's extensions

    def _feed_without_upgrade(self, before: bytes, data: bytes) -> None:
        """Misspell `Upgrade` in heads, or the parser would treat the body as another protocol.

        Java's HttpClient offers h2c with every request; a server may ignore that (RFC 9110, 7.8).
        `before` is the end of the previous read if the head continues from it: the name may begin
        there.
        """
        fed = 0
        for offer in _UPGRADE.finditer(before + data):
            name = max(0, offer.start() + 2 - len(before))
            self.parser.feed_data(data[fed:name])
            fed = name
            if self.amid_head:  # leave bodies alone
                self.parser.feed_data(b"x")
        self.parser.feed_data(data[fed:])

    # --- the parser's callbacks -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A head begins."""
        self.url = b""
        self.headers = {}
        if self.repeated:
            self.repeated = set()
        self.amid_head = True
        # A read may end one request and begin the next: then not all its bytes are this head's.
        self._first_bytes = 0 if self._read_began_amid else self._read_bytes
        self._later_bytes = 0
        self._read_began_amid = True
        self.head_begun()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self.url = self.url + url if self.url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or after a chunked body a trailer, which is ignored."""
        if not self.amid_head:
            return
        headers, name = self.headers, name.lower()
        if name in headers:
            self.repeated.add(name)
            if self._joins and name == FORWARDED_FOR:  # a proxy may add a line of its own
                value = (headers[name] + b"," + value)[-MOST_BYTES:]
        headers[name] = value

    def on_headers_complete(self) -> None:
        """A head has arrived."""
        self.amid_head = False
        if self._is_too_large():
            self._refusal = self._too_large()
        else:
            self._later_bytes = 0
            self._refusal = self.head_read()
        if self._refusal is not None:
            raise ValueError("refused")  # stops the parser
        self.amid_body = True

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._later_bytes = 0
        self.body_read(body)

    def on_message_complete(self) -> None:
        """A request has arrived completely."""
        self.amid_body = False
        self.request_read()

    # --- bounds ---------------------------------------------------------------------------------

    def _is_too_large(self) -> bool:
        if self._first_bytes + self._later_bytes <= self._header_bytes:
            return False
        if self.amid_head:  # nothing but this head was read
            return True
        parsed = sum(len(name) + len(value) + 4 for name, value in self.headers.items())
        return len(self.url) + parsed > self._header_bytes

    def _too_large(self) -> GatewayError:
        return GatewayError(
            "headers_too_large", f"The headers are larger than {self._header_bytes:,} bytes"
        )

    # --- what the connection does with it -------------------------------------------------------

    def head_begun(self) -> None:
        """The first byte of a request has come."""
        raise NotImplementedError

    def head_read(self) -> GatewayError | None:
        """The head of a request has come; the error, if it is refused."""
        raise NotImplementedError

    def body_read(self, body: bytes) -> None:
        """A piece of the body has come."""
        raise NotImplementedError

    def request_read(self) -> None:
        """The request has arrived completely."""
        raise NotImplementedError

    def upgraded(self) -> None:
        """The request asked for another protocol: what follows it cannot be read."""
        raise NotImplementedError

    def refused(self, error: GatewayError) -> None:
        """Nothing of what follows is read."""
        raise NotImplementedError


def _may_offer(data: bytes) -> bool:
    """Whether a read in which a head begins may contain an offer to upgrade.

    Another head can only follow in this read if there is a further carriage return, and JSON bodies
    have none: looking for one is cheap, while searching a large body is not.
    """
    if len(data) > _SHORT:
        end = data.find(_END)
        if end >= 0 and data.find(b"\r", end + len(_END)) < 0:
            return data.find(b"pgrade:", 0, end) >= 0
    return data.find(b"pgrade:") >= 0  # `in` costs ten times as much in C
