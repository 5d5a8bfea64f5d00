"""Hedging: where the first target is slow, a second one is asked, and the first answer counts."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

import provider as providers
from gateway import Gateway, serving, until, write_config
from patience import PATIENCE
from provider import Provider

CHAT = "/v1/chat/completions"
EXTRA = """
[models."slow"]
rate_limit = 1000
hedge = true
provider = "test"
upstream_model = "test-lagging"
fallbacks = ["slower"]
[models."slower"]
rate_limit = 1000
provider = "test"
upstream_model = "test-held"
[models."twofold"]
rate_limit = 1000
hedge = true
deployments = [
    {provider = "test", upstream_model = "test-lagging", weight = 1000},
    {provider = "test", upstream_model = "test-ok", weight = 0.001},
]
[models."single"]
rate_limit = 1000
provider = "test"
upstream_model = "test-lagging"
fallbacks = ["test-ok"]
[models."lost"]
rate_limit = 1000
hedge = true
provider = "test"
upstream_model = "test-lagging"
fallbacks = ["test-away"]
"""


@pytest.fixture(scope="module")
def hedging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Provider]]:
    folder = tmp_path_factory.mktemp("hedging")
    with providers.running() as provider:
        write_config(folder, provider, extra="[retry]\nbase = 0.01\n" + EXTRA)
        with serving(folder) as gateway:
            provider.go_on.set()
            with gateway.client() as client:  # from the first one on that may be hedged it is timed
                ask(client, "twofold")
            yield gateway, provider


def ask(client: httpx.Client, model: str, **more: Any) -> httpx.Response:
    response = client.post(CHAT, json={"model": model, "prompt": "x", **more})
    assert response.status_code == 200, response.text
    return response


def warm(client: httpx.Client, provider: Provider, model: str, *, stream: bool = False) -> None:
    """Let the gateway learn how fast the target is when it is well; nobody else is asked."""
    provider.go_on.set()
    for _ in range(25):
        ask(client, model, stream=stream, fallback_config={"hedge": False})
    provider.go_on.clear()
    provider.left.clear()


@contextmanager
def asked_in_vain(
    gateway: Gateway, provider: Provider, key: str, wanted: list[str], **body: Any
) -> Iterator[None]:
    """While a caller waits for an answer that does not come, and these were asked for it."""
    known = len(provider.requests)
    sent = json.dumps({"prompt": "x", **body}).encode()
    host, port = gateway.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(
            b"POST %b HTTP/1.1\r\nhost: x\r\nauthorization: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (CHAT.encode(), key.encode(), len(sent), sent)
        )
        until(lambda: len(provider.requests) >= known + len(wanted))
        time.sleep(0.2)  # for whoever is not to be asked
        assert [asked["model"] for _, asked in provider.requests[known:]] == wanted
        yield


@pytest.mark.parametrize("stream", [False, True])
def test_another_deployment_answers_and_the_slow_one_is_left(
    hedging: tuple[Gateway, Provider], *, stream: bool
) -> None:
    gateway, provider = hedging
    with gateway.client() as client:
        warm(client, provider, "twofold", stream=stream)
        response = ask(client, "twofold", stream=stream)  # which the slow one never gives
        assert provider.left.wait(PATIENCE)  # the loser's connection was closed
        assert all(word in response.text for word in ("Hello", "provider."))
        if stream:
            assert response.text.endswith("data: [DONE]\n\n")
        else:
            assert response.json()["llm_status_code"] == 200
    record = gateway.record(response.headers["x-request-id"])
    lost, won = record["attempts"]
    assert (lost["upstream_model"], won["upstream_model"]) == ("test-lagging", "test-ok")
    assert lost["decision"] == "lost the race"
    assert lost["reason"] == "test/test-ok answered first"
    assert "error" not in lost
    assert lost["usage"]["estimated"]  # its prompt, which its provider has read
    assert won["decision"] == "done"
    assert won["started_us"] > lost["started_us"]
    assert record["provider"] == "test"
    assert record["usage"]["total_tokens"] == 9
    assert record["gateway_us"] >= 0
    assert record["notes"][0].startswith("hedged: test/test-lagging took longer than ")


def test_a_fallback_as_the_second_draws_on_its_own_window(
    hedging: tuple[Gateway, Provider],
) -> None:
    gateway, provider = hedging
    made = gateway.new_key("--account", "hedging", "--rate-limit", "test-ok=1")
    wanted = {"fallback_config": {"hedge": True}}
    with gateway.client(made["key"]) as client:
        warm(client, provider, "single")
        response = ask(client, "single", **wanted)
        assert response.json()["model"] == "test-ok"
        assert response.headers["x-ratelimit-model"] == "test-ok"
        assert response.headers["x-ratelimit-remaining"] == "0"
        # Its window is empty now, so that nobody is left to ask beside the first.
        body = {"model": "single", **wanted}
        with asked_in_vain(gateway, provider, made["key"], ["test-lagging"], **body):
            pass


def test_without_being_asked_for_nobody_is_asked_twice(
    hedging: tuple[Gateway, Provider],
) -> None:
    gateway, provider = hedging
    with gateway.client() as client:
        warm(client, provider, "single")
        for model, more in (("single", {}), ("twofold", {"fallback_config": {"hedge": False}})):
            body = {"model": model, **more}
            with asked_in_vain(gateway, provider, gateway.key, ["test-lagging"], **body):
                pass


def test_a_second_that_fails_leaves_the_first_to_answer(
    hedging: tuple[Gateway, Provider],
) -> None:
    gateway, provider = hedging
    with gateway.client() as client:
        warm(client, provider, "lost")
        known = len(provider.requests)

        def go_on() -> None:
            until(lambda: "test-away" in [body["model"] for _, body in provider.requests[known:]])
            provider.go_on.set()

        with ThreadPoolExecutor(1) as pool:
            going_on = pool.submit(go_on)
            response = ask(client, "lost")
            going_on.result()
    assert response.json()["model"] == "lost"
    assert response.headers["x-ratelimit-model"] == "lost"
    failed, won = gateway.record(response.headers["x-request-id"])["attempts"]
    assert (failed["model"], failed["error"]) == ("test-away", "provider_unavailable")
    assert failed["decision"] == "lost the race"
    assert (won["model"], won["decision"]) == ("lost", "done")


def test_a_caller_who_leaves_ends_both(hedging: tuple[Gateway, Provider]) -> None:
    gateway, provider = hedging
    with gateway.client() as client:
        warm(client, provider, "twofold")
        both = ["test-lagging", "test-held"]
        with asked_in_vain(gateway, provider, gateway.key, both, model="slow"):
            provider.left.clear()
        assert provider.left.wait(PATIENCE)
        wanted = {"error": "client_disconnected", "model": "slow", "limit": "1"}
        until(lambda: bool(client.get("/v1/requests", params=wanted).json()["data"]))
        (found,) = client.get("/v1/requests", params=wanted).json()["data"]
        ended = gateway.record(found["request_id"])["attempts"]
        assert [one["error"] for one in ended] == ["client_disconnected"] * 2
