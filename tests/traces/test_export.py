"""Exporting spans to a real collector, with what was said where its capture comes in time."""

from __future__ import annotations

import pytest

from callgate.core.captured import Captured
from callgate.core.entry import Entry
from callgate.core.record import Attempt, Record
from callgate.core.trace import begun
from callgate.traces import export
from callgate.traces.content import INPUT
from callgate.traces.export import Exporter
from collector import collecting
from samples import booked

from .test_content import captured


def record(number: int, where: str | None = "machine:file") -> Entry:
    request_id = f"01a2068e-3d66-79a0-8749-{number:012d}"
    made = Record(
        request_id=request_id, time=1, region="us", method="POST", path="/", status=200,
        captured=where, trace=begun(request_id, 1.0),
        attempts=[Attempt(model="m", provider="p", upstream_model="m", started_us=1)] * 2,
    )  # fmt: skip
    (entry,) = booked(made)
    return entry


def test_spans_wait_for_their_capture_for_a_while_and_no_longer() -> None:
    there: dict[str, Captured] = {}
    now = [100.0]
    with collecting() as collector:
        exporter = Exporter(
            f"http://127.0.0.1:{collector.server_port}", {}, "s", "v", "us",
            lambda request_id: there.get(request_id[-1]), lambda: now[0],
        )  # fmt: skip
        exporter.observe([record(0, None), record(1), record(2), record(3)])
        there["1"] = there["3"] = captured({"prompt": "Hi"})
        there["0"] = captured({"prompt": "not asked for"})
        exporter.join()
        now[0] += export._PATIENCE
        exporter.join()
        exporter.observe([record(4), record(5)])
        there["5"] = captured({"prompt": "at last"})
        exporter.close()
    said: dict[str, list[str]] = {}
    for span in collector.spans:
        contents = [pair.value.string_value for pair in span.attributes if pair.key == INPUT]
        said.setdefault(span.trace_id.hex()[-1], []).extend(contents)
    assert {number: len(found) for number, found in said.items()} == {
        "0": 0, "1": 1, "2": 0, "3": 1, "4": 0, "5": 1,
    }  # fmt: skip
    assert len(collector.spans) == 6 * 3
    assert "Hi" in said["1"][0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_collector_on_this_machine_is_reached_without_a_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with collecting() as collector:
        exporter = Exporter(f"http://{host}:{collector.server_port}", {}, "s", "v", "us")
        exporter.observe([record(0, None)])
        exporter.close()
    assert len(collector.spans) == 3
