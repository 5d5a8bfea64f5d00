"""Sending spans to a collector by OTLP over HTTP, from a thread of its own.

https://opentelemetry.io/docs/specs/otlp/#otlphttp
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from callgate.core.record import Record
from callgate.core.secret import Secret
from callgate.traces.spans import spans

_QUEUE = 8192
_decode = msgspec.json.Decoder(Record).decode


class Exporter:
    """Takes records; what the collector does not take in time is dropped, not waited for."""

    def __init__(
        self, endpoint: str, headers: Mapping[str, Secret], service: str, version: str, region: str
    ) -> None:
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
            ),
            max_queue_size=_QUEUE,
            schedule_delay_millis=1000,
        )

    def observe(self, records: Sequence[bytes]) -> None:
        """Queue the spans of those records that belong to a recorded trace."""
        for raw in records:
            if b'"trace":{' not in raw:
                continue
            try:
                record = _decode(raw)
            except msgspec.MsgspecError:
                continue
            if record.trace is not None and record.trace.sampled:
                for span in spans(record, record.trace, self._resource):
                    self._processor.on_end(span)

    def close(self) -> None:
        """Send what is queued, and end the thread."""
        self._processor.shutdown()  # type: ignore[no-untyped-call]
