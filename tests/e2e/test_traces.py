"""Traces, from the caller's header to a collector that takes them by OTLP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from callgate.core.trace import span_id
from collector import Collector, collecting
from gateway import Gateway, serving, until, write_config
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


@pytest.fixture(scope="module")
def traced(
    provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gateway, Collector]]:
    """A gateway whose spans bear what was said, of requests that are captured."""
    folder = tmp_path_factory.mktemp("traced")
    with collecting() as collector:
        endpoint = f"http://127.0.0.1:{collector.server_port}"
        table = f'[traces]\nendpoint = "{endpoint}"\nheaders = {{ x-key = "{SECRET}" }}\n'
        write_config(folder, provider, extra=table + "content = true\n")
        with serving(folder) as gateway:
            yield gateway, collector


def test_a_request_is_a_trace_and_so_are_its_attempts(
    traced: tuple[Gateway, Collector], provider: Provider
) -> None:
    gateway, collector = traced
    before = len(collector.spans)
    with gateway.client() as client:
        asked = {
            "model": "test-bad-key",
            "prompt": "traced",
            "fallbacks": [{"model": "test-ok"}],
            "max_tokens": 7,
        }
        parent = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "v=1"}
        named = client.post(PATH, json=asked, headers=parent)
        assert named.status_code == 200
        unsampled = {"traceparent": f"00-{TRACE}-{PARENT}-00"}
        client.post(PATH, json={"model": "test-ok", "prompt": "traced"}, headers=unsampled)
        own = client.post(PATH, json={"model": "test-ok", "prompt": "traced"})
        until(lambda: len(collector.spans) >= before + 5)
    assert SECRET not in gateway.log

    assert collector.keys == {SECRET}
    found = collector.spans[before:]
    assert len(found) == 5
    assert not any(name.endswith(".messages") for span in found for name in attributes(span))
    request_id = named.headers["x-request-id"]
    spans = {span.span_id.hex(): span for span in found if span.trace_id.hex() == TRACE}
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

    (alone,) = [s for s in found if not s.parent_span_id]
    assert alone.trace_id.hex() == own.headers["x-request-id"].replace("-", "")

    sent = [headers for headers, body in provider.requests if "traced" in str(body)]
    assert [one["traceparent"].split("-")[1] for one in sent[:2]] == [TRACE, TRACE]
    assert sent[1]["traceparent"].split("-")[2] == second.span_id.hex()
    assert sent[0]["tracestate"] == "v=1"
    assert sent[2]["traceparent"].endswith("-00")


def test_what_was_said_is_in_the_span_where_it_is_captured_and_nowhere_else(
    traced: tuple[Gateway, Collector],
) -> None:
    gateway, collector = traced
    never = gateway.new_key("--capture", "never")["key"]
    full = {"x-callgate-capture": "full"}
    secret = "sk-planted0123456789abcdef"
    asked = {"model": "test-ok", "messages": [{"role": "user", "content": f"Hello {secret}"}]}
    with gateway.client() as client, gateway.client(never) as private:
        answers = {
            "whole": client.post(PATH, json=asked, headers=full),
            "stream": client.post(PATH, json={**asked, "stream": True}, headers=full),
            "unasked": client.post(PATH, json=asked),
            "never": private.post(PATH, json=asked, headers=full),
        }
    traces = {one.headers["x-request-id"].replace("-", ""): name for name, one in answers.items()}

    def spans() -> dict[str, list[Any]]:
        found: dict[str, list[Any]] = {name: [] for name in answers}
        for span in list(collector.spans):
            if (trace := span.trace_id.hex()) in traces:
                found[traces[trace]].append(span)
        return found

    until(lambda: all(len(found) == 2 for found in spans().values()))
    for name, (request, attempt) in spans().items():
        assert not any(each.endswith(".messages") for each in attributes(request))
        told = attributes(attempt)
        if name in ("unasked", "never"):
            assert not any(each.endswith(".messages") for each in told)
            continue
        (message,) = json.loads(told["gen_ai.input.messages"])
        assert message["role"] == "user"
        assert message["parts"][0]["content"].startswith("Hello sk-")
        assert secret[3:] not in told["gen_ai.input.messages"]
        (said,) = json.loads(told["gen_ai.output.messages"])
        text = answers["whole"].json()["choices"][0]["message"]["content"]
        assert said == {
            "role": "assistant",
            "parts": [{"type": "text", "content": text}],
            "finish_reason": "stop",
        }


def test_without_a_collector_providers_get_no_trace(gateway: Any, provider: Provider) -> None:
    with gateway.client() as client:
        client.post(
            PATH,
            json={"model": "test-ok", "prompt": "without a collector"},
            headers={"traceparent": f"00-{TRACE}-{PARENT}-01"},
        )
    (sent,) = [headers for headers, body in provider.requests if "without a collector" in str(body)]
    assert "traceparent" not in sent
