"""What a caller sends on one connection, request after request: the parser and the bounds of heads.

httptools parses (https://github.com/MagicStack/httptools); its callbacks are here. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from callgate.core.forwarded import FORWARDED_FOR, MOST_BYTES
from callgate.errors import GatewayError
from callgate.web.malformed import malformed

_END = b"\r\n\r\n"
_SHORT = 1024  # up to where a body costs less to look through than the end of the head to find
_PART = len("\r\nupgrade")
_UPGRADE = re.compile(rb"\r\nupgrade:", re.IGNORECASE)


class RequestReader:
    """Tells of requests by the methods at its end, which the connection fills in.

    `url` and `headers` are those of the head that is being read, names as they were sent;
    `amid_head` and `amid_body` say what the next bytes belong to. `header_bytes` bounds a head, and
    what stands between the pieces of a body. Of a header that comes more than once the last counts,
    as `repeats` and `stands_twice` tell; with `joins`, all the lines of `X-Forwarded-For` do.
    """

    __slots__ = (
        "_first_bytes", "_head_data", "_head_follows", "_header_bytes", "_later_bytes",
        "_read_began_amid", "_read_bytes", "_refusal", "amid_body", "amid_head", "headers",
        "on_header", "parser", "url",
    )  # fmt: skip

    def __init__(self, header_bytes: int, *, joins: bool = False) -> None:
        self.url = b""
        self.headers: dict[bytes, bytes] = {}
        # httptools calls this for each header: a method of the dict costs no Python frame.
        self.on_header: Callable[[bytes, bytes], None] = self.headers.__setitem__
        if joins:
            self.on_header = _joining(self.headers)
        self.amid_head = self.amid_body = self._read_began_amid = False
        self._header_bytes = header_bytes
        self._head_data = b""  # the reads that the head which is being read lies in, and
        self._head_follows = False  # whether something else stands before it there
        self._read_bytes = self._first_bytes = self._later_bytes = 0
        self._refusal: GatewayError | None = None
        self.parser: Any = HttpRequestParser(self)
        # After the last request of a connection more may come; it is for nobody.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed(self, data: bytes) -> None:
        """Take what has been read."""
        size = len(data)
        self._read_bytes = size
        self._later_bytes += size
        self._read_began_amid = self.amid_body
        before = self._head_data[-_PART:] if self.amid_head else b""
        if self.amid_head:
            self._head_data += data
        else:
            self._head_data = data
            self._head_follows = self.amid_body
        try:
            # A head has carriage returns, and few bodies that go on here have.
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
        """Misspell `Upgrade` in heads: the parser would take the body for another protocol's.

        Java's HttpClient offers h2c with every request; a server may ignore that (RFC 9110, 7.8).
        `before` is what was read last of a head that goes on here: the name may begin in it.
        """
        fed = 0
        for offer in _UPGRADE.finditer(before + data):
            name = max(0, offer.start() + 2 - len(before))
            self.parser.feed_data(data[fed:name])
            fed = name
            if self.amid_head:  # what is a body's stays as it is
                self.parser.feed_data(b"x")
        self.parser.feed_data(data[fed:])

    # --- the parser's callbacks -----------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A head begins."""
        self.url = b""
        self.headers.clear()
        self.amid_head = True
        # A read may end one request and begin the next: then its bytes are not this head's.
        self._first_bytes = 0 if self._read_began_amid else self._read_bytes
        self._later_bytes = 0
        self._read_began_amid = True
        self.head_begun()

    def on_url(self, url: bytes) -> None:
        """A piece of the target."""
        self.url = self.url + url if self.url else url

    def on_headers_complete(self) -> None:
        """A head has arrived."""
        self.amid_head = False
        if self._is_too_large():
            self._refusal = self._too_large()
        else:
            self._later_bytes = 0
            self._refusal = self.head_read()
        if self._refusal is not None:
            raise ValueError("refused")  # ends the parser's work
        self.amid_body = True

    def on_body(self, body: bytes) -> None:
        """A piece of a body."""
        self._later_bytes = 0
        self.body_read(body)

    def on_message_complete(self) -> None:
        """A request has arrived to its end."""
        self.amid_body = False
        self._head_follows = True
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

    def repeats(self, names: int) -> bool:
        """Whether any header of the head that was read stands on more than one line, given that it
        has `names` of them that differ by more than case.

        The dict of headers keeps the last line of a name, so the lines are counted. True also where
        that takes more than counting: `stands_twice` tells for certain.
        """
        if len(self.headers) != names or self._head_follows:
            return True
        data = self._head_data
        # The request's line, the headers' and a blank one; what a body adds makes it only more.
        if len(data) <= _SHORT and data.count(b"\n") == names + 2:
            return False
        return data.count(b"\n", 0, data.find(_END)) != names

    def stands_twice(self, name: bytes) -> bool:
        """Whether the head that was read has the header `name`, in lower case, more than once."""
        spelt = [sent for sent in self.headers if sent.lower() == name]
        if len(spelt) != 1:
            return len(spelt) > 1
        data = self._head_data
        if not self._head_follows:  # but blank lines may stand before it (RFC 9112, 2.2)
            data = data.lstrip(b"\r\n").partition(_END)[0]
        return _stands_twice(data, b"\n%b:" % spelt[0])

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
        """The request has come to its end."""
        raise NotImplementedError

    def upgraded(self) -> None:
        """The request asked for another protocol: what follows it cannot be read."""
        raise NotImplementedError

    def refused(self, error: GatewayError) -> None:
        """Nothing of what follows is read."""
        raise NotImplementedError


def _joining(headers: dict[bytes, bytes]) -> Callable[[bytes, bytes], None]:
    """Takes headers where a proxy may add a line of its own to those that callers sent."""

    def on_header(name: bytes, value: bytes) -> None:
        if len(name) == len(FORWARDED_FOR) and name.lower() == FORWARDED_FOR:
            name = FORWARDED_FOR
            sent = headers.get(name)
            if sent is not None:
                value = (sent + b"," + value)[-MOST_BYTES:]
        headers[name] = value

    return on_header


def _may_offer(data: bytes) -> bool:
    """Whether a read in which a head begins may hold an offer to upgrade.

    Behind that head there is no other one without a carriage return, which a body of JSON has none
    of: to find that out costs next to nothing, and to look through a large body does not.
    """
    if len(data) > _SHORT:
        end = data.find(_END)
        if end >= 0 and data.find(b"\r", end + len(_END)) < 0:
            return data.find(b"pgrade:", 0, end) >= 0
    return data.find(b"pgrade:") >= 0  # `in` costs ten times as much in C


def _stands_twice(data: bytes, line: bytes) -> bool:
    """Whether two lines of any one head begin so; a blank line ends a head."""
    at = data.find(line)
    while at >= 0:
        end = data.find(_END, at)
        if data.find(line, at + 1, len(data) if end < 0 else end) >= 0:
            return True
        at = -1 if end < 0 else data.find(line, end)
    return False
