"""Traces, from the caller's header to a collector that takes them by OTLP."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from callgate.core.trace import span_id
from collector import collecting
from gateway import serving, until, write_config
from provider import Provider

PATH = "/v1/chat/completions"
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "collector-key-000001"


def attributes(span: Any) -> dict[str, Any]:
    found = {}
    for pair in span.attributes:
        kind = pair.value.WhichOneof("value")
        value = getattr(pair.value, kind)
        found[pair.key] = (
            [one.string_value for one in value.values] if kind == "array_value" else value
        )
    return found


def test_a_request_is_a_trace_and_so_are_its_attempts(provider: Provider, tmp_path: Path) -> None:
    with collecting() as collector:
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        table = f'[traces]\nendpoint = "{endpoint}"\nheaders = {{ x-key = "{SECRET}" }}\n'
        write_config(tmp_path, provider, extra=table)
        provider.requests.clear()
        with serving(tmp_path) as gateway, gateway.client() as client:
            asked = {
                "model": "test-bad-key",
                "prompt": "x",
                "fallbacks": [{"model": "test-ok"}],
                "max_tokens": 7,
            }
            parent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "v=1"}
            named = client.post(PATH, json=asked, headers=parent)
            assert named.status_code == 200
            own = client.post(PATH, json={"model": "test-ok", "prompt": "x"})
            unsampled = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
            client.post(PATH, json={"model": "test-ok", "prompt": "x"}, headers=unsampled)
            until(lambda: len(collector.spans) >= 5, 15)
        assert SECRET not in gateway.log

    assert collector.keys == {SECRET}
    assert len(collector.spans) == 5
    request_id = named.headers["x-request-id"]
    spans = {span.span_id.hex(): span for span in collector.spans if span.trace_id.hex() == TRACE}
    request, first, second = (spans[span_id(request_id, number)] for number in range(3))
    assert request.parent_span_id.hex() == PARENT
    assert {first.parent_span_id, second.parent_span_id} == {request.span_id}
    assert attributes(request)["callgate.request_id"] == request_id
    assert attributes(request)["http.response.status_code"] == 200
    assert attributes(first)["error.type"] == "provider_credentials"
    assert attributes(first)["callgate.decision"].startswith("fall back")
    told = attributes(second)
    assert told["gen_ai.operation.name"] == "chat"
    assert told["gen_ai.request.model"] == "test-ok"
    assert told["gen_ai.request.max_tokens"] == 7
    assert (told["gen_ai.usage.input_tokens"], told["gen_ai.usage.output_tokens"]) == (5, 4)
    assert told["gen_ai.response.finish_reasons"] == ["stop"]
    assert request.start_time_unix_nano <= first.start_time_unix_nano
    assert first.end_time_unix_nano <= second.start_time_unix_nano + 1_000_000
    assert second.end_time_unix_nano <= request.end_time_unix_nano

    (alone,) = [s for s in collector.spans if not s.parent_span_id]
    assert alone.trace_id.hex() == own.headers["x-request-id"].replace("-", "")

    sent = [headers for headers, _ in provider.requests]
    assert [one["traceparent"].split("-")[1] for one in sent[:2]] == [TRACE, TRACE]
    assert sent[1]["traceparent"].split("-")[2] == second.span_id.hex()
    assert sent[0]["tracestate"] == "v=1"
    assert sent[3]["traceparent"].endswith("-00")


def test_without_a_collector_providers_get_no_trace(gateway: Any, provider: Provider) -> None:
    with gateway.client() as client:
        provider.requests.clear()
        client.post(
            PATH,
            json={"model": "test-ok", "prompt": "x"},
            headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
        )
    assert "traceparent" not in provider.requests[0][0]
