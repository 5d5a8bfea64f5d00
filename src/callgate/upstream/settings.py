"""What the operator sets about upstream connections."""

from __future__ import annotations

from msgspec import Struct

from callgate.upstream.proxy import Proxies


class UpstreamSettings(Struct, frozen=True, kw_only=True):
    """Sizes are bytes, `idle_expiry` is seconds, counts are per origin.

    `max_body_bytes` bounds a body both as received and as decoded. `ca_file` and `ca_dir` replace
    the system's certificate authorities.
    """

    max_connections_per_origin: int = 10_000
    max_idle_per_origin: int = 200
    idle_expiry: float = 30.0
    max_header_bytes: int = 64 * 1024
    max_body_bytes: int = 64 * 1024 * 1024
    proxies: Proxies = Proxies()
    ca_file: str | None = None
    ca_dir: str | None = None
