"""The head of a request: its request line and headers."""

from __future__ import annotations

from typing import Any

_ASGI = {"version": "3.0", "spec_version": "2.3"}


class Head:
    """The names of `headers` are in lower case, `path` is percent-decoded, `raw_path` as sent.

    `version` is that of HTTP, such as `1.1`; `client` and `server` are the ends of the connection,
    or the caller that a trusted proxy names.
    """

    __slots__ = (
        "client", "headers", "method", "path", "query", "raw_path", "server", "version",
    )  # fmt: skip

    def __init__(
        self,
        method: str,
        path: str,
        raw_path: bytes,
        query: bytes,
        version: str,
        headers: dict[bytes, bytes],
        client: tuple[str, int] | None,
        server: tuple[str, int | None] | None,
    ) -> None:
        self.method = method
        self.path = path
        self.raw_path = raw_path
        self.query = query
        self.version = version
        self.headers = headers
        self.client = client
        self.server = server

    def scope(self) -> dict[str, Any]:
        """The head as an ASGI scope.

        https://asgi.readthedocs.io/en/latest/specs/www.html#http-connection-scope
        """
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": self.version,
            "method": self.method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.raw_path,
            "query_string": self.query,
            "root_path": "",
            "headers": self.headers.items(),
            "client": self.client,
            "server": self.server,
        }
