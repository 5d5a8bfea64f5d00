"""Hedging: where the first target is slow, a second one is asked, and the first answer counts."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

import provider as providers
from gateway import Gateway, serving, until, write_config
from provider import Provider

CHAT = "/v1/chat/completions"
EXTRA = """
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
            yield gateway, provider


def ask(client: httpx.Client, model: str, **more: Any) -> httpx.Response:
    response = client.post(CHAT, json={"model": model, "prompt": "x", **more})
    assert response.status_code == 200, response.text
    return response


def warm(client: httpx.Client, provider: Provider, model: str, **more: Any) -> None:
    """Let the gateway learn how fast the target is when it is well."""
    provider.go_on.set()
    for _ in range(25):
        ask(client, model, **more)
    provider.go_on.clear()
    provider.left.clear()


@pytest.mark.parametrize("stream", [False, True])
def test_another_deployment_answers_and_the_slow_one_is_left(
    hedging: tuple[Gateway, Provider], *, stream: bool
) -> None:
    gateway, provider = hedging
    with gateway.client() as client:
        warm(client, provider, "twofold", stream=stream)
        started = time.monotonic()
        response = ask(client, "twofold", stream=stream)
        assert time.monotonic() - started < 8
        assert provider.left.wait(10)  # the loser's connection was closed
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
    assert won["decision"] == "done"
    assert won["started_us"] > lost["started_us"]
    assert record["provider"] == "test"
    assert record["usage"]["total_tokens"] == 9
    assert record["gateway_us"] >= 0
    assert record["notes"][0].startswith("hedged: test/test-lagging took longer than 0.")


def test_a_fallback_as_the_second_draws_on_its_own_window(
    hedging: tuple[Gateway, Provider],
) -> None:
    gateway, provider = hedging
    made = gateway.new_key("--account", "hedging", "--rate-limit", "test-ok=1")
    wanted = {"fallback_config": {"hedge": True}}
    with gateway.client(made["key"]) as client:
        warm(client, provider, "single", **wanted)
        response = ask(client, "single", **wanted)
        assert response.json()["model"] == "test-ok"
        assert response.headers["x-ratelimit-model"] == "test-ok"
        assert response.headers["x-ratelimit-remaining"] == "0"
        # Its window is empty now, so that nobody is left to ask beside the first.
        provider.requests.clear()
        with pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json={"model": "single", "prompt": "x", **wanted}, timeout=0.3)
        assert [body["model"] for _, body in provider.requests] == ["test-lagging"]


def test_without_being_asked_for_nobody_is_asked_twice(
    hedging: tuple[Gateway, Provider],
) -> None:
    gateway, provider = hedging
    with gateway.client() as client:
        warm(client, provider, "single")
        for model, more in (("single", {}), ("twofold", {"fallback_config": {"hedge": False}})):
            provider.requests.clear()
            with pytest.raises(httpx.ReadTimeout):
                client.post(CHAT, json={"model": model, "prompt": "x", **more}, timeout=0.3)
            assert len(provider.requests) == 1


def test_a_second_that_fails_leaves_the_first_to_answer(
    hedging: tuple[Gateway, Provider],
) -> None:
    gateway, provider = hedging
    with gateway.client() as client:
        warm(client, provider, "lost")
        threading.Timer(0.3, provider.go_on.set).start()
        response = ask(client, "lost")
    assert response.json()["model"] == "lost"
    assert response.headers["x-ratelimit-model"] == "lost"
    failed, won = gateway.record(response.headers["x-request-id"])["attempts"]
    assert (failed["model"], failed["error"]) == ("test-away", "provider_unavailable")
    assert failed["decision"] == "lost the race"
    assert (won["model"], won["decision"]) == ("lost", "done")


def test_a_caller_who_leaves_ends_both(hedging: tuple[Gateway, Provider]) -> None:
    gateway, provider = hedging
    with gateway.client() as client:
        warm(client, provider, "lost")
        provider.left.clear()
        with pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json={"model": "lost", "prompt": "x"}, timeout=0.3)
        assert provider.left.wait(10)
        until(lambda: "client_disconnected" in gateway.run("logs", "--limit", "1", "--json").stdout)
