"""More requests than a worker may carry: some wait their turn, the rest are turned away at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

import provider as providers
from gateway import Gateway, serving, until, write_config
from provider import Provider

CHAT = "/v1/chat/completions"
BOUNDS = "drain = 2\nmax_requests = 2\nmax_queue = 2\nqueue_timeout = 1"


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Provider]]:
    folder: Path = tmp_path_factory.mktemp("overload")
    with providers.running() as provider:
        write_config(folder, provider, wait=30)
        config = folder / "callgate.toml"
        config.write_text(config.read_text().replace("drain = 2", BOUNDS))
        with serving(folder) as gateway:
            yield gateway, provider


def test_who_comes_too_late_waits_and_then_is_turned_away(
    crowded: tuple[Gateway, Provider],
) -> None:
    gateway, provider = crowded
    provider.requests.clear()
    provider.go_on.clear()
    with gateway.client() as client, ThreadPoolExecutor(6) as pool:

        def ask(model: str) -> Future[httpx.Response]:
            return pool.submit(client.post, CHAT, json={"model": model, "prompt": "x"})

        held = [ask("test-held") for _ in range(2)]
        until(lambda: len(provider.requests) == 2)
        stranger = httpx.post(gateway.url + CHAT, json={"model": "test-ok", "prompt": "x"})
        assert stranger.status_code == 401  # only who has a key may wait
        waiting = [ask("test-ok") for _ in range(2)]
        time.sleep(0.1)
        started = time.monotonic()
        refused = client.post(CHAT, json={"model": "test-ok", "prompt": "x"})
        took = time.monotonic() - started
        assert refused.status_code == 503
        assert refused.json()["error"]["type"] == "overloaded"
        assert int(refused.headers["retry-after"]) >= 1
        assert took < 0.5  # the bound itself is far lower; this machine may be busy
        assert gateway.record(refused.headers["x-request-id"])["error"] == "overloaded"
        assert len(provider.requests) == 2
        provider.go_on.set()
        assert [one.result(20).status_code for one in held] == [200, 200]
        for one in waiting:
            answer = one.result(20)
            assert answer.status_code == 200
            assert ", queue;dur=" in answer.headers["server-timing"]
            record = gateway.record(answer.headers["x-request-id"])
            assert record["queue_us"] > 50_000
            assert record["gateway_us"] < record["queue_us"] <= record["total_us"]
        story = gateway.run("show", waiting[0].result().headers["x-request-id"])
        assert "waiting for a place" in story.stdout
        calm = client.post(CHAT, json={"model": "test-ok", "prompt": "x"})
        assert "queue" not in calm.headers["server-timing"]
        assert "queue_us" not in gateway.record(calm.headers["x-request-id"])


def test_who_waits_too_long_and_who_leaves_the_line(crowded: tuple[Gateway, Provider]) -> None:
    gateway, provider = crowded
    provider.requests.clear()
    provider.go_on.clear()
    with gateway.client() as client, ThreadPoolExecutor(3) as pool:

        def ask(model: str) -> httpx.Response:
            return client.post(CHAT, json={"model": model, "prompt": "x"})

        held = [pool.submit(ask, "test-held") for _ in range(2)]
        until(lambda: len(provider.requests) == 2)
        with pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json={"model": "test-ok", "prompt": "gone"}, timeout=0.2)
        slow = ask("test-ok")
        assert slow.status_code == 503
        assert "No place was free within 1 s" in slow.json()["message"]
        # the event loop counts whole milliseconds, and may so end a wait up to one early
        assert gateway.record(slow.headers["x-request-id"])["queue_us"] >= 998_000
        provider.go_on.set()
        assert [one.result(20).status_code for one in held] == [200, 200]
        assert ask("test-ok").status_code == 200
    assert len(provider.requests) == 3
