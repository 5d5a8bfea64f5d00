"""More requests than a worker may carry: some wait their turn, the rest are turned away at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from math import inf
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

import provider as providers
from gateway import Gateway, serving, until, write_config
from patience import PATIENCE
from provider import Provider

CHAT = "/v1/chat/completions"
BOUNDS = "drain = 2\nmax_requests = 2\nmax_queue = 2\nqueue_timeout = {}"
BOUND = 0.01
"""Seconds within which whoever finds the line full is sent away."""


@contextmanager
def crowded(folder: Path, queue_timeout: float) -> Iterator[tuple[Gateway, Provider]]:
    with providers.running() as provider:
        write_config(folder, provider)
        config = folder / "callgate.toml"
        text = config.read_text().replace("drain = 2", BOUNDS.format(queue_timeout))
        config.write_text(text)
        with serving(folder) as gateway:
            yield gateway, provider


def in_line(client: httpx.Client) -> float:
    """How many wait for a place."""
    families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(
        one.value
        for family in families
        for one in family.samples
        if one.name == "callgate_requests_queued"
    )


def test_who_comes_too_late_waits_and_then_is_turned_away(tmp_path: Path) -> None:
    with (
        crowded(tmp_path, 600) as (gateway, provider),
        gateway.client() as client,
        ThreadPoolExecutor(6) as pool,
    ):

        def ask(model: str) -> Future[httpx.Response]:
            return pool.submit(client.post, CHAT, json={"model": model, "prompt": "x"})

        held = [ask("test-held") for _ in range(2)]
        until(lambda: len(provider.requests) == 2)
        stranger = httpx.post(
            gateway.url + CHAT, json={"model": "test-ok", "prompt": "x"}, timeout=PATIENCE
        )
        assert stranger.status_code == 401  # only who has a key may wait
        waiting = [ask("test-ok") for _ in range(2)]
        until(lambda: in_line(client) == 2)
        refused, took = [], inf
        while took > BOUND and len(refused) < 50:  # most are late where the machine is busy
            started = time.monotonic()
            refused.append(client.post(CHAT, json={"model": "test-ok", "prompt": "x"}))
            took = min(took, time.monotonic() - started)
        assert took <= BOUND
        for one in refused:
            assert one.status_code == 503
            assert one.json()["error"]["type"] == "overloaded"
            assert int(one.headers["retry-after"]) >= 1
        assert gateway.record(refused[0].headers["x-request-id"])["error"] == "overloaded"
        time.sleep(0.05)  # to be seen below
        assert len(provider.requests) == 2
        provider.go_on.set()
        assert [one.result(PATIENCE).status_code for one in held] == [200, 200]
        for waited in waiting:
            answer = waited.result(PATIENCE)
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


def test_who_waits_too_long_and_who_leaves_the_line(tmp_path: Path) -> None:
    with (
        crowded(tmp_path, 0.5) as (gateway, provider),
        gateway.client() as client,
        ThreadPoolExecutor(3) as pool,
    ):

        def ask(model: str) -> httpx.Response:
            return client.post(CHAT, json={"model": model, "prompt": "x"})

        held = [pool.submit(ask, "test-held") for _ in range(2)]
        until(lambda: len(provider.requests) == 2)
        with pytest.raises(httpx.ReadTimeout):
            client.post(CHAT, json={"model": "test-ok", "prompt": "gone"}, timeout=0.1)
        slow = ask("test-ok")
        assert slow.status_code == 503
        assert "No place was free within 0.5 s" in slow.json()["message"]
        # the event loop counts whole milliseconds, and may so end a wait up to one early
        assert gateway.record(slow.headers["x-request-id"])["queue_us"] >= 498_000
        provider.go_on.set()
        assert [one.result(PATIENCE).status_code for one in held] == [200, 200]
        assert ask("test-ok").status_code == 200
        assert len(provider.requests) == 3
