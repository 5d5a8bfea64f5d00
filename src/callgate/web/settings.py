"""What the chat route needs of the configuration."""

from __future__ import annotations

from msgspec import Struct


class ChatSettings(Struct, frozen=True, kw_only=True):
    """Bounds of bodies, of requests at a time and of those that wait; the share that is traced."""

    max_body_bytes: int
    max_requests: int
    max_queue: int
    queue_timeout: float
    trace_share: float | None = None
