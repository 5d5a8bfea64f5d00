"""What the door and the chat route need of the configuration."""

from __future__ import annotations

from msgspec import Struct


class Bounds(Struct, frozen=True, kw_only=True):
    """What a connection may take: bytes of headers; seconds for them, for a body, in between, and
    until something is taken of an answer that waits to be sent.
    """

    header_bytes: int
    head_seconds: float
    body_seconds: float
    idle_seconds: float
    write_seconds: float


class ChatSettings(Struct, frozen=True, kw_only=True):
    """Bounds of bodies, of requests at a time and of those that wait; the share that is traced."""

    max_body_bytes: int
    max_requests: int
    max_queue: int
    queue_timeout: float
    trace_share: float | None = None
