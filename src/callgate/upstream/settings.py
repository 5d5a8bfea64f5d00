"""The operator's settings of upstream connections."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from callgate.core.http import Origin
from callgate.upstream.proxy import Proxies


class UpstreamSettings(Struct, frozen=True, kw_only=True):
    """Sizes are bytes, `idle_expiry` and `max_age` are seconds, counts are per origin.

    No connection older than `max_age` is used again, so that one in constant use follows the host's
    name to another address. `max_body_bytes` bounds a body both as received and as decoded.
    `ca_file` and `ca_dir` replace the system's certificate authorities; `authorities` are files of
    further ones, for one origin each.
    """

    max_connections_per_origin: int = 10_000
    max_idle_per_origin: int = 200
    idle_expiry: float = 30.0
    max_age: float = 600.0
    max_header_bytes: int = 64 * 1024
    max_body_bytes: int = 64 * 1024 * 1024
    proxies: Proxies = Proxies()
    ca_file: str | None = None
    ca_dir: str | None = None
    authorities: Mapping[Origin, str] = {}
