"""Bodies that no honest client sends: each is answered in good time with a 200 or a clear 4xx."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callgate.errors import TAXONOMY
from gateway import Gateway
from patience import PATIENCE
from provider import Provider
from wire import CHAT

PATH = CHAT.decode()
LIMIT = 3_000_000
JSON = {"content-type": "application/json"}
OK = b'"model":"test-ok","prompt":"x"'
bounded = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def check(client: httpx.Client, body: bytes) -> httpx.Response:
    """Send a body; whatever it is, the answer is well-formed and comes soon."""
    response = client.post(PATH, content=body, headers=JSON, timeout=PATIENCE)
    assert response.headers["x-request-id"]
    if response.headers["content-type"].startswith("text/event-stream"):
        assert response.status_code == 200
        assert response.text.endswith("data: [DONE]\n\n")
        return response
    told = response.json()
    assert told["request_id"] == response.headers["x-request-id"]
    if response.status_code != 200:
        error = told["error"]
        assert 400 <= response.status_code < 500, told
        assert TAXONOMY[error["type"]].status == response.status_code
        assert error["metadata"]["errors"]
        assert len(response.content) < 100_000
    return response


# --- by hand ------------------------------------------------------------------------------------


def filled(start: bytes, piece: bytes, end: bytes, size: int = LIMIT) -> bytes:
    """`piece` as often as the limit lets it."""
    return start + piece * ((size - len(start) - len(end)) // len(piece)) + end


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (filled(b"", b"[", b""), "invalid_json"),
        (filled(b"", b'{"a":', b""), "invalid_json"),
        (b"{" + OK + b',"x":' + b"[" * 65 + b"]" * 65 + b"}", "invalid_json"),
        (b"{" + OK + b',"x":' + b"[" * 10**6 + b"]" * 10**6 + b"}", "invalid_json"),
        (filled(b'{"model":"test-ok","messages":[', b"[],", b"[]]}"), "invalid_field"),
        (filled(b'{"model":"test-ok","messages":[', b"1,", b"1]}"), "invalid_field"),
        (filled(b'{"model":"test-ok","messages":[', b'{"role":1},', b"1]}"), "invalid_field"),
        (filled(b"{" + OK + b',"tools":[', b"{},", b"{}]}"), "invalid_field"),
        (filled(b"{" + OK + b',"stop":[', b'"a",', b'"a"]}'), "invalid_field"),
        (filled(b"{" + OK + b',"max_tokens":', b"9", b"}"), "invalid_field"),
        (filled(b"{" + OK + b',"zzz":-', b"9", b"}"), "invalid_field"),
        (b"{" + OK + b',"seed":' + b"9" * 4300 + b"}", "invalid_field"),
        (b"{" + OK + b',"temperature":1e999}', "invalid_field"),
        (b"{" + OK + b',"zzz":[1e999,{"y":-1e999}]}', "invalid_field"),
        (b"{" + OK + b',"temperature":NaN}', "invalid_json"),
        (b"{" + OK + b',"temperature":-Infinity}', "invalid_json"),
        (b'{"model":"test-ok","prompt":"\\ud800"}', "invalid_json"),
        (b'{"model":"test-ok","prompt":"\\udc00\\ud800"}', "invalid_json"),
        (b"{" + OK + b',"zzz":{"\\udfff":1}}', "invalid_json"),
        (b'{"model":"test-ok","prompt":"\xed\xa0\x80"}', "invalid_json"),
        (b'{"model":"test-ok","prompt":"\xff"}', "invalid_json"),
        (b'{"model":"test-ok","prompt":"\x00"}', "invalid_json"),
        (b"\xef\xbb\xbf{" + OK + b"}", "invalid_json"),
        (("{" + OK.decode() + "}").encode("utf-16"), "invalid_json"),
        (filled(b'{"model":"test-ok","prompt":"', b"x", b""), "invalid_json"),
        (filled(b'{"model":"', b"x", b'","prompt":"x"}'), "invalid_field"),
        (b'{"model":"","prompt":"x"}', "invalid_field"),
        (b'{"model":"a\\r\\nb: c","prompt":"x"}', "model_not_found"),
        (b'{"model":"\\u0000","prompt":"x"}', "model_not_found"),
        (bytes(range(256)) * 8000, "invalid_json"),
    ],
    ids=range(30),
)
def test_each_kind_of_bad_body_has_its_error(gateway: Gateway, body: bytes, kind: str) -> None:
    with gateway.client() as client:
        response = check(client, body)
    assert response.json()["error"]["type"] == kind, response.text[:500]


@pytest.mark.parametrize(
    "body",
    [
        filled(b'{"model":"test-ok","prompt":"', b"x", b'"}'),
        filled(b'{"model":"test-ok","prompt":"', b'\\"[{', b'"}'),
        filled(b'{"model":"test-ok","prompt":"', b"\\\\", b'"}'),
        filled(b'{"model":"test-ok","prompt":"', b"\\u0000", b'"}'),
        filled(b'{"model":"test-ok","prompt":"', "ü😀".encode(), b'"}'),
        filled(b"", b" ", b"{" + OK + b"}"),
        filled(b"{" + OK + b',"zzz":0.', b"1", b"}"),
        b"{" + OK + b',"zzz":' + b"[" * 63 + b"]" * 63 + b"}",
        b"{" + OK + b',"temperature":-0.0,"top_p":1e-999,"seed":-0}',
    ],
    ids=range(9),
)
def test_what_is_odd_but_sound(gateway: Gateway, body: bytes) -> None:
    with gateway.client() as client:
        assert check(client, body).status_code == 200


def test_the_provider_gets_what_was_judged(gateway: Gateway, provider: Provider) -> None:
    """Of a key that stands in an object twice, the last one counts, for everybody."""
    body = (
        b'{"model":"test-eu","max_tokens":0,"stream":true,"user":"twice",'
        b'"messages":[],"model":"test-ok","max_tokens":5,"stream":false,'
        b'"prompt":null,"messages":[{"role":"user","role":"system","content":"y"}]}'
    )
    with gateway.client() as client:
        assert check(client, body).status_code == 200
        escaped = body.replace(b'"model":"test-ok"', b'"\\u006dodel":"test-eu"')
        assert check(client, escaped).json()["error"]["type"] == "model_not_in_region"
    sent = next(sent for _, sent in reversed(provider.requests) if sent.get("user") == "twice")
    assert (sent["model"], sent["max_tokens"]) == ("test-ok", 5)
    assert not sent.get("stream")
    assert sent["messages"] == [{"role": "system", "content": "y"}]


def test_twenty_megabytes_are_refused_before_they_are_read(gateway: Gateway) -> None:
    with gateway.client() as client:
        response = check(client, b'{"model":"test-ok","prompt":"' + b"x" * 20_000_000 + b'"}')
    assert response.json()["error"]["type"] == "request_too_large"


# --- by chance ----------------------------------------------------------------------------------

texts = st.text(max_size=40) | st.sampled_from(["test-ok", "user", "text", "function", "\x00", ""])
numbers = st.integers() | st.floats() | st.sampled_from([2**53, 2**63, -(2**63) - 1, 10**400])
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
FIELDS = (
    "model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "top_p",
    "stop", "seed", "tools", "tool_choice", "parallel_tool_calls", "response_format", "n",
    "stream_options", "logprobs", "top_logprobs", "logit_bias", "user", "metadata", "fallbacks",
    "fallback_config", "post_processing_steps", "model_region", "reasoning_effort", "other",
)  # fmt: skip
parts = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("type", "text", "image_url", "input_audio", "file"), values)
)
messages = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": texts, "content": texts | st.lists(parts, max_size=3) | values,
            "tool_calls": values, "tool_call_id": values, "name": values,
        },
    ),
    max_size=4,
)  # fmt: skip
bodies = st.fixed_dictionaries(
    {"model": st.just("test-ok") | values},
    optional={"messages": messages, "stream": st.booleans()}
    | {field: values for field in FIELDS if field not in ("model", "messages")},
)


@given(body=bodies)
@bounded
def test_any_json_in_any_field(gateway: Gateway, client: httpx.Client, body: Any) -> None:
    check(client, json.dumps(body).encode())


@given(body=bodies, data=st.data())
@bounded
def test_any_damage_to_the_bytes(
    gateway: Gateway, client: httpx.Client, body: Any, data: st.DataObject
) -> None:
    sound = json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")
    at = data.draw(st.integers(0, len(sound)))
    length = data.draw(st.integers(0, 8))
    put = data.draw(st.binary(max_size=8) | st.sampled_from([b'"', b"\\", b"{", b"]", b"\xff"]))
    check(client, sound[:at] + put + sound[at + length :])


@given(body=st.binary(max_size=200))
@bounded
def test_any_bytes_are_answered_with_a_400(
    gateway: Gateway, client: httpx.Client, body: bytes
) -> None:
    assert check(client, body).status_code == 400


def test_every_refusal_is_on_record(gateway: Gateway) -> None:
    bodies = (b"", b"[", b'"\xff"', b'{"model":"\xff"}', b'{"model":5}', b"{" + OK + b',"n":1e400}')
    with gateway.client() as client:
        ids = [check(client, body).headers["x-request-id"] for body in bodies]
    assert {gateway.record(request_id)["status"] for request_id in ids} == {400}
