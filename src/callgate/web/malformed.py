"""The errors for bytes that are not an HTTP/1.1 request, or not one that can be served."""

from __future__ import annotations

import re

from httptools import HttpParserCallbackError, HttpParserError, HttpParserInvalidMethodError

from callgate.errors import GatewayError

_SAID = "Invalid HTTP request received"
_OTHER_PROTOCOLS = (
    (
        b"\x16\x03",  # a handshake record (RFC 8446, 5.1)
        "The client speaks TLS, but this port serves plain HTTP",
        "Use `http://`, or the address of the proxy that terminates TLS for this gateway.",
    ),
    (
        b"PRI * HTTP/2.0",  # the preface of a connection (RFC 9113, 3.4)
        "The client speaks HTTP/2, but this port serves HTTP/1.1",
        "Configure the client for HTTP/1.1, or put a proxy that speaks HTTP/2 in front.",
    ),
    (
        b"CONNECT ",
        "CONNECT asks a proxy for a tunnel, but this gateway is not such a proxy",
        "Remove this gateway from the client's `HTTPS_PROXY`, and use it as the base URL instead.",
    ),
)
_HOST = re.compile(  # RFC 9110, 7.2; RFC 3986, 3.2.2
    rb"(?:\[[0-9A-Za-z:.%~_-]+\]|[0-9A-Za-z._~%!$&'()*+,;=-]*)(?::[0-9]*)?[ \t]*"
)
_METHOD = re.compile(rb"([!-~]{1,32}) [!-~]{1,65536} HTTP/1\.[01]\r\n")


def malformed(read: bytes, fault: HttpParserError) -> GatewayError:
    """The `bad_http` for bytes that the parser has rejected.

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
            cause="The method is not an HTTP method; those are written in capitals.",
            fix="Use POST for `/v1/chat/completions`, and GET for everything else.",
        )
    if isinstance(fault, HttpParserCallbackError | HttpParserInvalidMethodError):
        return GatewayError("bad_http", _SAID)
    return GatewayError("bad_http", f"{_SAID}: {fault}")


def late(what: str, seconds: float) -> GatewayError:
    """The `request_timeout` for a part of a request that did not arrive in time."""
    return GatewayError(
        "request_timeout", f"The request's {what} did not arrive within {seconds:g} s"
    )


def coding_fault(codings: bytes, twice: bool) -> GatewayError | None:
    """The `unsupported_transfer_coding` for codings besides `chunked` (RFC 9112, 6.1).

    If `chunked` is not the last one, the parser itself refuses the request: its end is unknowable.
    """
    *others, last = codings.lower().split(b",")
    if last.strip() != b"chunked" or not (others or twice):
        return None
    return GatewayError(
        "unsupported_transfer_coding", "`Transfer-Encoding` names more codings than `chunked`"
    )


def host_fault(host: bytes | None, twice: bool, version: str) -> GatewayError | None:
    """The `bad_http` for a request whose `Host` is missing, malformed or sent twice.

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
        cause="A proxy on the way could take the request for one to another host.",
        fix="Send one `Host` with the name in the gateway's URL, as HTTP clients normally do.",
    )
