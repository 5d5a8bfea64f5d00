"""The record that a call gives."""

from __future__ import annotations

import msgspec

from callgate.core.chat import Usage
from callgate.core.record import Splice
from callgate.engine.call import Call


def encoded(call: Call) -> dict[str, object]:
    told: dict[str, object] = msgspec.json.decode(msgspec.json.encode(call.record("us")))
    return told


def call() -> Call:
    return Call("019a207c-0000-7000-8000-000000000000", 1795426683.306, "GET", "/v1/models")


def test_a_record_has_no_field_for_what_did_not_happen() -> None:
    one = call()
    one.status = 200
    assert set(encoded(one)) <= {
        "request_id", "time", "region", "method", "path", "status", "total_us", "gateway_us",
    }  # fmt: skip


def test_what_few_calls_have_is_recorded() -> None:
    one = call()
    one.client_request_id = "mine"
    one.cost_usd = 0.0
    one.first_token_ns, one.queue_ns, one.paused_ns = 5_000, 7_999, 9_001
    one.splices.append(Splice(characters=3, attempt=1, way="match"))
    one.notes.append("noted")
    told = encoded(one)
    assert told["client_request_id"] == "mine"
    assert told["cost_usd"] == 0.0
    assert (told["first_token_us"], told["queue_us"], told["paused_us"]) == (5, 7, 9)
    assert told["splices"] == [{"characters": 3, "attempt": 1, "way": "match"}]
    assert told["notes"] == ["noted"]


def test_usage_leaves_out_what_the_provider_did_not_tell() -> None:
    one = call()
    one.usage = Usage(input_tokens=1, output_tokens=2, total_tokens=3)
    assert encoded(one)["usage"] == {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
    one.usage.estimated = True
    assert encoded(one)["usage"] == {
        "input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "estimated": True,
    }  # fmt: skip


def test_the_time_told_to_callers_is_in_milliseconds_with_three_digits() -> None:
    one = call()
    one.upstream_ns, one.queue_ns = 1_234_567_890, 5_400
    one.paused_ns = 300_000_000
    one.started -= 2_000_000_000
    told = dict(part.split(";dur=") for part in one.server_timing().decode().split(", "))
    assert told["upstream"] == "1234.568"
    assert told["queue"] == "0.005"
    assert told["pauses"] == "300.000"
    assert 465.0 < float(told["gateway"]) < 60_000


def test_the_times_of_a_record_add_up() -> None:
    one = call()
    one.started -= 2_000_000_000
    one.upstream_ns, one.queue_ns, one.paused_ns = 1_200_000_000, 5_000_000, 300_000_000
    told = encoded(one)
    parts = ("gateway_us", "upstream_us", "queue_us", "paused_us")
    assert sum(told[part] for part in parts) == told["total_us"]
    assert 495_000 <= told["gateway_us"] < 60_000_000
