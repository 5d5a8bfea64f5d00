"""What was received in place of an HTTP/1.1 request, as far as it can be told."""

from __future__ import annotations

import re

from httptools import HttpParserCallbackError, HttpParserError, HttpParserInvalidMethodError

from callgate.errors import GatewayError

_SAID = "Invalid HTTP request received"
_OTHER_PROTOCOLS = (
    (
        b"\x16\x03",  # a handshake record (RFC 8446, 5.1)
        "The client speaks TLS, and this port plain HTTP",
        "Use `http://`, or the address of the proxy that speaks TLS for this gateway.",
    ),
    (
        b"PRI * HTTP/2.0",  # the preface of a connection (RFC 9113, 3.4)
        "The client speaks HTTP/2, and this port HTTP/1.1",
        "Let the client speak HTTP/1.1, or a proxy speak HTTP/2 for this gateway.",
    ),
    (
        b"CONNECT ",
        "CONNECT asks a proxy for a tunnel, and this gateway is no such proxy",
        "Take this gateway out of the client's `HTTPS_PROXY`; it is the address to send to.",
    ),
)
_METHOD = re.compile(rb"([!-~]{1,32}) [!-~]{1,65536} HTTP/1\.[01]\r\n")


def malformed(read: bytes, fault: HttpParserError) -> GatewayError:
    """The `bad_http` for bytes that the parser has found fault with.

    `read` is what the request began with; its headers are not quoted.
    """
    for beginning, said, fix in _OTHER_PROTOCOLS:
        if read.startswith(beginning):
            return GatewayError("bad_http", said, fix=fix)
    method = _METHOD.match(read)
    if method and isinstance(fault, HttpParserInvalidMethodError):
        return GatewayError(
            "bad_http",
            f"HTTP has no method {method[1][:20].decode()!r}",
            cause="The method is not one of HTTP's, which are in capitals.",
            fix="Use POST for `/v1/chat/completions`, and GET for everything else.",
        )
    if isinstance(fault, HttpParserCallbackError | HttpParserInvalidMethodError):
        return GatewayError("bad_http", _SAID)
    return GatewayError("bad_http", f"{_SAID}: {fault}")
