"""HTTP messages as plain values, for code that does no I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from callgate.core.value import Value

Headers = tuple[tuple[str, str], ...]

_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9]+)?")


class Origin(NamedTuple):
    """Scheme, host and port of a server: what a connection pool is keyed by (RFC 6454)."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """The value of the `Host` header: the port is left out where it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if _PORTS[self.scheme] == self.port else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


def split_url(url: str) -> tuple[Origin, str]:
    """Split an absolute http(s) URL into its origin and its path without a trailing slash.

    Raises ValueError with a message for people where the URL cannot be a provider's base URL.
    """
    parts = urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError(f"expected a URL that starts with http:// or https://, got {url!r}")
    if not parts.hostname:
        raise ValueError(f"expected a URL with a host, got {url!r}")
    if not _HOST.fullmatch(parts.hostname):
        raise ValueError(f"expected a URL with a valid host name, got {url!r}")
    if parts.username or parts.password:
        raise ValueError("credentials do not belong in a URL")
    if parts.query or parts.fragment:
        raise ValueError(f"expected a URL without query and fragment, got {url!r}")
    port = parts.port or _PORTS[parts.scheme]
    return Origin(parts.scheme, parts.hostname, port), parts.path.rstrip("/")


class HttpRequest(Value):
    """A request to an upstream. `path` holds the query string too; header names are lower case.

    `host`, `content-length` and `accept-encoding` are the connection's business, not given here.
    """

    __slots__ = ("body", "headers", "method", "origin", "path")
    __match_args__ = ("method", "origin", "path", "headers", "body")

    def __init__(
        self, method: str, origin: Origin, path: str, headers: Headers, body: bytes
    ) -> None:
        self.method = method
        self.origin = origin
        self.path = path
        self.headers = headers
        self.body = body

    def with_headers(self, headers: Headers) -> HttpRequest:
        """The same request with other headers."""
        return HttpRequest(self.method, self.origin, self.path, headers, self.body)

    def __repr__(self) -> str:  # headers carry the provider's key
        return f"<HttpRequest {self.method} {self.origin}{self.path} {len(self.body)} bytes>"


class HttpResponse(Value):
    """A whole response of an upstream; header names are lower case, repeated ones comma-joined."""

    __slots__ = ("body", "headers", "status")
    __match_args__ = ("status", "headers", "body")

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body
