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
_HOST = re.compile(  # RFC 9110, 7.2; RFC 3986, 3.2.2
    rb"(?:\[[0-9A-Za-z:.%~_-]+\]|[0-9A-Za-z._~%!$&'()*+,;=-]*)(?::[0-9]*)?[ \t]*"
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


def late(what: str, seconds: float) -> GatewayError:
    """The `request_timeout` for a part of a request that did not come in time."""
    return GatewayError(
        "request_timeout", f"The request's {what} did not arrive within {seconds:g} s"
    )


def coding_fault(codings: bytes, twice: bool) -> GatewayError | None:
    """The `unsupported_transfer_coding` for a body that is more than in chunks (RFC 9112, 6.1).

    Where the chunks are not what was done last, the parser refuses it: nobody could tell its end.
    """
    *others, last = codings.lower().split(b",")
    if last.strip() != b"chunked" or not (others or twice):
        return None
    return GatewayError(
        "unsupported_transfer_coding", "`Transfer-Encoding` names more than the coding `chunked`"
    )


def host_fault(host: bytes | None, twice: bool, version: str) -> GatewayError | None:
    """The `bad_http` for a request whose `Host`, on one line or more, is not as it has to be.

    HTTP/1.0 needs none. https://www.rfc-editor.org/rfc/rfc9112#section-3.2
    """
    if twice:
        said = "`Host` was sent more than once"
    elif host is None and version != "1.0":
        said = "`Host` is missing, which HTTP/1.1 requires"
    elif host is not None and not _HOST.fullmatch(host):
        said = "`Host` is not the name or address of a host, with or without a port"
    else:
        return None
    return GatewayError(
        "bad_http",
        f"{_SAID}: {said}",
        cause="Whoever is on the way may take the request for another host's.",
        fix="Send one `Host` with the name in the gateway's URL, as HTTP clients do by themselves.",
    )
