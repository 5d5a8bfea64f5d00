"""When a circuit breaker opens and closes."""

from __future__ import annotations

from msgspec import Struct


class BreakerSettings(Struct, frozen=True, kw_only=True):
    """Opens when at least `calls` in `window` seconds failed by `ratio`; probes after `pause`."""

    ratio: float = 0.5
    calls: int = 10
    window: float = 30.0
    pause: float = 10.0
