"""Spans of records that hold what strangers have sent."""

from __future__ import annotations

import msgspec
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.resources import Resource

from callgate.core.record import Attempt, Record
from callgate.core.trace import begun
from callgate.traces.spans import spans

ID = "01a2068e-3d66-79a0-8749-fd5a27b3c1f0"


@pytest.mark.parametrize(
    ("seed", "told"), [(b"7", 7), (b"1" + b"0" * 400, None), (b"-9223372036854775809", None)]
)
def test_a_number_beyond_all_measure_does_not_keep_a_trace_from_being_sent(
    seed: bytes, told: int | None
) -> None:
    record = Record(
        request_id=ID, time=1, region="us", method="POST", path="/v1/chat/completions", status=200,
        parameters={"seed": msgspec.Raw(seed)},
        attempts=[Attempt(model="m", provider="p", upstream_model="m", started_us=1)],
    )  # fmt: skip
    made = list(spans(record, begun(ID, 1.0), Resource.create({})))
    assert (made[1].attributes or {}).get("gen_ai.request.seed") == told
    assert encode_spans(made).ByteSize()
