"""What the load generator is told to do, and what it tells in return."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Mode = Literal["closed", "open", "hold"]


class Job(Struct, kw_only=True):
    """One run of load against one port of 127.0.0.1.

    `closed`: each connection sends its next request as soon as the last is answered, for `seconds`.
    `open`: `rate` requests per second on a constant schedule, whatever the answers do, on up to
    `connections` connections; a request that finds none free waits, and its wait counts.
    `hold`: one stream on each connection, held open until told to end.

    `request` is the whole HTTP request. An answer is right if its status is 200, its body is whole,
    and, where `events` is given, it streams that many events ending in `[DONE]`; `marker` has to
    occur in the body, in a stream once per event that holds JSON. `stagger` is the pause in seconds
    between the first requests of two connections; `at_once` how many streams to be held may be
    asked for and not have begun; `warmup` the seconds whose latencies are left out.
    """

    mode: Mode
    port: int
    request: bytes
    connections: int
    seconds: float = 0.0
    rate: int = 0
    events: int = 0
    marker: bytes = b""
    stagger: float = 0.0
    at_once: int = 1
    warmup: float = 0.0


class Latency(Struct, kw_only=True):
    """Microseconds; of a stream, to its first event."""

    p50: float
    p90: float
    p99: float
    p999: float
    max: float


class Result(Struct, kw_only=True):
    """The outcome of a job. `faults` are the first few of `errors`, told in words."""

    requests: int
    errors: int
    events: int
    seconds: float
    latency: Latency
    faults: list[str]
