"""Every kind of refusal: its status, its shape, its words, its headers, its record."""

from __future__ import annotations

import json
import socket
from typing import Any

import httpx
import pytest

from callgate.core.keys import mint
from callgate.errors import TAXONOMY
from gateway import PROVIDER_KEY, Gateway, until
from patience import PATIENCE

MESSAGES = [{"role": "user", "content": "Hello?"}]
GOOD = {"model": "test-ok", "messages": MESSAGES}
CHAT = "/v1/chat/completions"


def told(response: httpx.Response, kind: str) -> dict[str, Any]:
    """Check what all errors have in common; give the `error` object."""
    body = response.json()
    error = body["error"]
    row = TAXONOMY[kind]
    assert error["type"] == kind, body
    assert response.status_code == body["code"] == error["code"] == row.status
    assert body["message"] == error["message"]
    assert body["request_id"] == response.headers["x-request-id"]
    metadata = error["metadata"]
    assert (metadata["origin"], metadata["retryable"]) == (row.origin, row.retryable)
    assert metadata["cause"]
    assert metadata["fix"]
    assert metadata["errors"]
    assert metadata["docs"].endswith(f"/errors/{kind}")
    assert metadata["request_id"] == body["request_id"]
    assert response.headers["x-callgate-region"] == "us"
    assert PROVIDER_KEY not in response.text
    if response.status_code in (429, 503):
        assert int(response.headers["retry-after"]) >= 1
    return dict(error)


def test_a_missing_model_is_named_in_the_documented_words(client: httpx.Client) -> None:
    error = told(client.post(CHAT, json={"messages": MESSAGES}), "missing_field")
    assert error["message"] == "Invalid request: missing required field 'model'"
    assert error["param"] == "model"


def test_a_name_that_is_no_models_is_not_kept(client: httpx.Client, gateway: Gateway) -> None:
    response = client.post(CHAT, json={**GOOD, "model": "x" * 1_000_000})
    told(response, "invalid_field")
    assert len(json.dumps(gateway.record(response.headers["x-request-id"]))) < 2000


def test_every_wrong_field_is_named_with_its_path(client: httpx.Client, gateway: Gateway) -> None:
    wrong = {
        "model": "test-ok",
        "messages": [{"role": "user", "content": "x"}, {"role": "nobody", "content": 5}],
        "temperature": "hot",
        "max_tokens": 0,
    }
    response = client.post(CHAT, json=wrong)
    error = told(response, "invalid_field")
    named = " ".join(error["metadata"]["errors"])
    for path in ("messages[1].role", "messages[1].content", "temperature", "max_tokens"):
        assert path in named
    assert response.headers["x-ratelimit-model"] == "test-ok"  # key and model were known
    record = gateway.record(response.headers["x-request-id"])
    assert record["error"] == "invalid_field"
    assert record["model"] == "test-ok"
    assert record["errors"] == error["metadata"]["errors"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"text"', b"{} {}", b'{"model": NaN}', b"\xff\xfe", b"[" * 100000,
     b'{"model": "\\ud800"}', b'{"a":' * 5000 + b"1" + b"}" * 5000],
    ids=range(10),
)  # fmt: skip
def test_what_is_not_a_json_object(client: httpx.Client, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    told(client.post(CHAT, content=body, headers=headers), "invalid_json")


@pytest.mark.parametrize(
    ("model", "kind", "words"),
    [
        ("test-okk", "model_not_found", "'test-ok'"),
        ("gpt-4-32k", "model_retired", "successor"),
        ("test-eu", "model_not_in_region", "eu (https://eu.example.org)"),
    ],
)
def test_models_that_cannot_be_called(
    client: httpx.Client, model: str, kind: str, words: str
) -> None:
    error = told(client.post(CHAT, json={"model": model, "messages": MESSAGES}), kind)
    assert words in error["message"]
    assert error["param"] == "model"
    told(client.get(f"/v1/models/{model}"), kind)


@pytest.mark.parametrize(
    ("headers", "query", "words"),
    [
        ({}, "", "Authorization: <key>"),
        ({"authorisation": "{key}"}, "", "'authorisation'"),
        ({"x-api-key": "{key}"}, "", "'x-api-key'"),
        ({}, "?api_key={key}", "query string"),
        ({"authorization": "{key}x"}, "", "checksum"),
        ({"authorization": "Basic {key}"}, "", "'basic'"),
        ({"authorization": "sk-abcdefghijklmnop"}, "", "provider's key"),
        ({"authorization": "é"}, "", "begin with 'cg_'"),
    ],
)
def test_keys_that_do_not_open(
    gateway: Gateway, headers: dict[str, str], query: str, words: str
) -> None:
    filled = {name: value.format(key=gateway.key).encode() for name, value in headers.items()}
    response = httpx.post(
        gateway.url + CHAT + query.format(key=gateway.key),
        json=GOOD,
        headers=filled,
        timeout=PATIENCE,
    )
    error = told(response, "unauthorized")
    assert error["message"] == "Unauthorized - Invalid or missing API key"
    assert words in error["metadata"]["fix"]
    assert "x-ratelimit-limit" not in response.headers
    record = gateway.record(response.headers["x-request-id"])
    assert record["error"] == "unauthorized"
    assert "key_id" not in record
    assert gateway.key not in json.dumps(record)


def test_an_unknown_key_of_good_form_is_refused(gateway: Gateway) -> None:
    with gateway.client(mint("us", b"x" * 20)) as client:
        told(client.post(CHAT, json=GOOD), "unauthorized")


def test_a_key_of_another_region_is_sent_to_its_endpoint(gateway: Gateway) -> None:
    with gateway.client(mint("eu", b"x" * 20)) as client:
        error = told(client.post(CHAT, json=GOOD), "wrong_region_key")
    assert "https://eu.example.org" in error["message"]


def test_a_key_may_be_kept_to_some_models(gateway: Gateway) -> None:
    made = gateway.new_key("--model", "test-tools")
    with gateway.client(made["key"]) as client:
        assert client.post(CHAT, json={**GOOD, "model": "test-tools"}).status_code == 200
        error = told(client.post(CHAT, json=GOOD), "model_not_allowed")
    assert "test-tools" in error["message"]


_PAGES = {"html": "<html>Bad gateway", "page": "<html>No server is available"}
"""What begins the answers that are no JSON, of which the beginning is kept."""


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("bad-key", "provider_credentials"),
        ("rejected", "provider_rejected"),
        ("too-long", "context_too_long"),
        ("missing", "provider_model_missing"),
        ("limited", "provider_rate_limited"),
        ("broken", "provider_unavailable"),
        ("away", "provider_unavailable"),
        ("html", "bad_upstream_reply"),
        ("page", "provider_unavailable"),
        ("cut", "upstream_cut"),
        ("silent", "upstream_timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_a_provider_does_wrong(
    client: httpx.Client, gateway: Gateway, model: str, kind: str, *, stream: bool
) -> None:
    if (model, stream) == ("cut", True):
        pytest.skip("begins with a 200: see the chat tests")
    if (model, stream) == ("limited", True):
        model = "limited-streamed"  # the other one is resting now
    asked = {
        "model": f"test-{model}",
        "messages": MESSAGES,
        "stream": stream,
        "fallback_config": {"retry": False},
    }
    response = client.post(CHAT, json=asked)
    error = told(response, kind)
    (attempt,) = error["metadata"]["attempts"]
    assert attempt["error"] == kind
    assert response.headers["x-ratelimit-model"] == f"test-{model}"
    record = gateway.record(response.headers["x-request-id"])
    assert record["error"] == kind
    assert record["attempts"][0]["error"] == kind
    assert PROVIDER_KEY not in json.dumps(record)
    kept = record["attempts"][0].get("body")
    if model in _PAGES:
        assert kept.startswith(_PAGES[model])
        assert "[redacted]" in kept
        assert len(kept) <= 2048
    else:
        assert kept is None
    if kind == "provider_credentials":
        until(lambda: response.headers["x-request-id"] in gateway.log)  # the operator is told
    if kind == "provider_rate_limited":
        assert response.headers["retry-after"] == "7"
    if TAXONOMY[kind].origin != "client":
        assert "help@example.org" in error["metadata"]["fix"]


def test_paths_methods_and_media_types(client: httpx.Client) -> None:
    error = told(client.post("/chat/completions", json=GOOD), "path_not_found")
    assert "'/v1/chat/completions'" in error["message"]
    told(client.get("/nowhere"), "path_not_found")
    response = client.get(CHAT)
    told(response, "method_not_allowed")
    assert response.headers["allow"] == "POST"
    for path in (CHAT, "/v1/models"):
        error = told(client.options(path), "method_not_allowed")
        assert "CORS" in error["metadata"]["fix"]
    told(client.delete("/v1/models"), "method_not_allowed")
    headers = {"content-type": "text/plain"}
    told(client.post(CHAT, content=b"{}", headers=headers), "unsupported_media_type")


def test_geminis_path_of_a_model_is_not_taken_for_our_own(client: httpx.Client) -> None:
    for method in ("generateContent", "streamGenerateContent"):
        error = told(client.post(f"/v1/models/gemini-4-neon:{method}", json={}), "path_not_found")
        assert "/v1/chat/completions" in error["message"]
        assert "Google's too" in error["metadata"]["fix"]
    told(client.post("/v1/models/gemini-4-neon"), "method_not_allowed")


def test_a_body_beyond_the_limit(client: httpx.Client) -> None:
    big = {"model": "test-ok", "prompt": "x" * 3_000_001}
    told(client.post(CHAT, json=big), "request_too_large")

    def pieces() -> Any:
        for _ in range(40):
            yield b"x" * 100_000

    headers = {"content-type": "application/json"}
    told(client.post(CHAT, content=pieces(), headers=headers), "request_too_large")
    assert client.post(CHAT, json=GOOD).status_code == 200


def raw(gateway: Gateway, data: bytes) -> httpx.Response:
    """What comes back for bytes that are no sound request."""
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(data)
        received = b""
        while piece := connection.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return httpx.Response(int(lines[0].split()[1]), headers=headers, content=body)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "bad_http"),
        (b"NONSENSE\r\n\r\n", "bad_http"),
        (b"GET / HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", "bad_http"),
        (b"POST / HTTP/1.1\r\ncontent-length: -5\r\n\r\n", "bad_http"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 70_000 + b"\r\n\r\n", "headers_too_large"),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", "headers_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 20_000, "headers_too_large"),
    ],
    ids=range(7),
)
def test_bytes_that_are_no_request(gateway: Gateway, data: bytes, kind: str) -> None:
    response = raw(gateway, data)
    told(response, kind)
    assert gateway.record(response.headers["x-request-id"])["error"] == kind


def test_an_error_links_to_what_is_to_be_said_of_it(client: httpx.Client, gateway: Gateway) -> None:
    error = told(client.get("/nowhere"), "path_not_found")
    link = error["metadata"]["docs"]
    assert link == f"{gateway.url}/errors/path_not_found"
    page = httpx.get(link, timeout=PATIENCE)
    assert page.headers["content-type"].startswith("text/plain")
    assert page.text.startswith("### path_not_found\n")
    assert TAXONOMY["path_not_found"].fix in page.text
    row = httpx.get(link, headers={"accept": "application/json"}, timeout=PATIENCE).json()
    assert (row["type"], row["status"], row["origin"]) == ("path_not_found", 404, "client")
    assert "| [`rate_limited`](/errors/rate_limited) |" in client.get("/errors").text
    listed = client.get("/errors", headers={"accept": "application/json"}).json()["data"]
    assert {row["type"] for row in listed} == set(TAXONOMY)
    told(client.get("/errors/of_another_world"), "path_not_found")


@pytest.mark.parametrize(
    ("headers", "begins"),
    [
        ({"host": "gw.example.com"}, "http://gw.example.com/errors/"),
        ({"host": "[::1]:81", "x-forwarded-proto": "https"}, "https://[::1]:81/errors/"),
        ({"host": "x;alert(1)"}, "/errors/"),
        ({"host": "x%2f..%2fy", "x-forwarded-proto": "javascript"}, "/errors/"),
    ],
)
def test_the_link_goes_to_the_host_that_the_caller_named(
    client: httpx.Client, headers: dict[str, str], begins: str
) -> None:
    error = told(client.get("/nowhere", headers=headers), "path_not_found")
    assert error["metadata"]["docs"] == f"{begins}path_not_found"
