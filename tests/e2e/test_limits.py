"""Limits as callers see them, over several workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from gateway import children, serving, until, write_config
from provider import Provider

CHAT = "/v1/chat/completions"
GOOD = {"model": "test-ok", "messages": [{"role": "user", "content": "Hello?"}]}


def test_exactly_the_limit_is_admitted_over_four_workers(
    provider: Provider, tmp_path: Path
) -> None:
    write_config(tmp_path, provider, limit=30)
    with serving(tmp_path, "--workers", "4") as gateway:
        until(lambda: len(children(gateway.process.pid)) == 5)  # four workers and the clerk

        # A connection for each, closed by the gateway: a pool that closes idle ones itself may
        # take one just given to another thread (httpx then reads from a closed socket).
        limits, apart = httpx.Limits(max_connections=200), {"connection": "close"}
        with (
            gateway.client(limits=limits, headers=apart) as client,
            ThreadPoolExecutor(200) as pool,
        ):
            answers = list(pool.map(lambda _: client.post(CHAT, json=GOOD), range(200)))
        admitted = [answer for answer in answers if answer.status_code == 200]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert (len(admitted), len(refused)) == (30, 170)
        left = sorted(int(answer.headers["x-ratelimit-remaining"]) for answer in admitted)
        assert left == list(range(30))  # counts down without a gap
        for answer in refused:
            assert answer.headers["x-ratelimit-remaining"] == "0"
            later = int(answer.headers["retry-after"]) - int(answer.headers["x-ratelimit-reset"])
            assert later in (0, 1)  # a second may have passed between them
            assert answer.json()["error"]["type"] == "rate_limited"

        # Another model and another account have windows of their own; another key of the same
        # account has not, but may have a limit of its own.
        with gateway.client() as client:
            assert client.post(CHAT, json={**GOOD, "model": "test-tools"}).status_code == 200
            assert client.post(CHAT, json=GOOD).status_code == 429
        other = gateway.new_key("--account", "other")["key"]
        with gateway.client(other) as client:
            assert client.post(CHAT, json=GOOD).headers["x-ratelimit-remaining"] == "29"
        richer = gateway.new_key("--rate-limit", "test-ok=40")["key"]
        with gateway.client(richer) as client:
            answer = client.post(CHAT, json=GOOD)
            assert (answer.status_code, answer.headers["x-ratelimit-remaining"]) == (200, "9")
