"""The head of a request on the wire (RFC 9112, 3)."""

from __future__ import annotations

import re

from callgate.core.http import HttpRequest
from callgate.errors import GatewayError
from callgate.upstream.proxy import Proxy

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"/[!-~]*")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
_OURS = frozenset({"host", "content-length", "accept-encoding", "transfer-encoding", "connection"})
_LENGTH = "content-length: "
_BODILESS = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})


def encode_head(request: HttpRequest, proxy: Proxy | None) -> bytes:
    """The head up to the value of `content-length`, which is its last field.

    `proxy` is the one that takes requests in absolute form, which is for `http` only. Raises
    GatewayError `internal_error` for anything that would break out of its place.
    """
    method, origin, path, headers = request.method, request.origin, request.path, request.headers
    host = origin.netloc if origin.netloc.isascii() else origin.netloc.encode("idna").decode()
    sound = (
        _TOKEN.fullmatch(method)
        and _TARGET.fullmatch(path)
        and all(
            _TOKEN.fullmatch(name) and name.lower() not in _OURS and _VALUE.fullmatch(value)
            for name, value in headers
        )
    )
    if not sound:
        raise GatewayError(
            "internal_error", f"the request to {host} cannot be expressed in HTTP/1.1"
        )
    forwarded = proxy is not None and origin.scheme == "http"
    target = f"http://{host}{path}" if forwarded else path
    lines = [f"{method} {target} HTTP/1.1", f"host: {host}", "accept-encoding: identity"]
    lines += [f"{name}: {value}" for name, value in headers]
    if proxy is not None and forwarded and proxy.authorization:
        lines.append(f"proxy-authorization: {proxy.authorization.reveal()}")
    return "\r\n".join([*lines, _LENGTH]).encode("latin-1")


def encode_length(head: bytes, method: str, length: int) -> bytes:
    """Complete what `encode_head` gave; methods that usually have no body get no length of 0."""
    if not length and method in _BODILESS:
        return head[: -len(_LENGTH)] + b"\r\n"
    return b"%b%d\r\n\r\n" % (head, length)
