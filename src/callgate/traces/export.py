"""Sending spans to a collector by OTLP over HTTP, from a thread of its own.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import msgspec
import requests
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from callgate.core.captured import Captured
from callgate.core.entry import Entry
from callgate.core.record import Record
from callgate.core.secret import Secret
from callgate.traces.content import content
from callgate.traces.spans import spans

_QUEUE, _BATCH = 8192, 512
_QUEUE_WITH_CONTENT, _BATCH_WITH_CONTENT = 1024, 64  # a span of these is up to 65 KiB
_MOST_WAITING = 1000
_PATIENCE = 5.0
_LOOK_SECONDS = 0.2
_decode = msgspec.json.Decoder(Record).decode

Find = Callable[[str], Captured | None]


class Exporter:
    """Takes records; what the collector does not take in time is dropped, not waited for.

    With `find`, which gives the capture of a request by its id, None where there is none (yet),
    spans carry what was said wherever payloads were captured. `clock` is in seconds.
    """

    def __init__(
        self,
        endpoint: str,
        headers: Mapping[str, Secret],
        service: str,
        version: str,
        region: str,
        find: Find | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._clock = clock
        self._waiting: deque[tuple[float, Record]] = deque()
        self._resource = Resource.create(
            {
                "service.name": service,
                "service.version": version,
                "callgate.region": region,
            }
        )
        self._processor = BatchSpanProcessor(
            OTLPSpanExporter(
                endpoint=f"{endpoint.rstrip('/')}/v1/traces",
                headers={name: secret.reveal() for name, secret in headers.items()},
                timeout=10,
                session=_session(endpoint),
            ),
            max_queue_size=_QUEUE if find is None else _QUEUE_WITH_CONTENT,
            max_export_batch_size=_BATCH if find is None else _BATCH_WITH_CONTENT,
            schedule_delay_millis=1000,
        )

    def observe(self, entries: Sequence[Entry]) -> None:
        """Queue the spans of those records that belong to a recorded trace."""
        for entry in entries:
            if b'"trace":{' not in entry.body:
                continue
            try:
                record = _decode(entry.body)
            except ValueError:
                continue
            if record.trace is None or not record.trace.sampled:
                continue
            if self._find is None or record.captured is None:
                self._send(record)
            elif len(self._waiting) < _MOST_WAITING:
                self._waiting.append((self._clock() + _PATIENCE, record))
            else:
                self._send(record)

    def join(self) -> None:
        """Look for the captures of records that wait for theirs: they are written a little later.

        Takes a fraction of a second at most; whose capture does not come goes without.
        """
        until = self._clock() + _LOOK_SECONDS
        for _ in range(len(self._waiting)):
            if self._clock() >= until:
                return
            due, record = self._waiting.popleft()
            captured = self._find(record.request_id) if self._find is not None else None
            if captured is not None:
                self._send(record, content(captured))
            elif self._clock() >= due:
                self._send(record)
            else:
                self._waiting.append((due, record))

    def close(self) -> None:
        """Send what is queued, and end the thread."""
        self.join()
        while self._waiting:
            self._send(self._waiting.popleft()[1])
        self._processor.shutdown()  # type: ignore[no-untyped-call]

    def _send(self, record: Record, said: Mapping[str, Any] | None = None) -> None:
        assert record.trace is not None
        for span in spans(record, record.trace, self._resource, said or {}):
            self._processor.on_end(span)


def _session(endpoint: str) -> requests.Session:
    """A session that asks no proxy for what is on this machine: to the proxy that is itself."""
    session = requests.Session()
    host = urlsplit(endpoint).hostname or ""
    try:
        session.trust_env = not ip_address(host).is_loopback
    except ValueError:
        session.trust_env = host != "localhost"
    return session
