"""More requests than a worker may carry: the rest are turned away at once."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

import provider as providers
from gateway import serving, until, write_config

CHAT = "/v1/chat/completions"


def test_beyond_the_bound_callers_are_turned_away_and_served_again_later(tmp_path: Path) -> None:
    with providers.running() as provider, ThreadPoolExecutor(3) as pool:
        write_config(tmp_path, provider, wait=30)
        config = tmp_path / "callgate.toml"
        config.write_text(config.read_text().replace("drain = 2", "drain = 2\nmax_requests = 3"))
        with serving(tmp_path) as gateway, gateway.client() as client:

            def hold() -> httpx.Response:
                return client.post(CHAT, json={"model": "test-held", "prompt": "x"})

            held = [pool.submit(hold) for _ in range(3)]
            until(lambda: len(provider.requests) == 3)
            started = time.monotonic()
            refused = client.post(CHAT, json={"model": "test-ok", "prompt": "x"})
            took = time.monotonic() - started
            assert refused.status_code == 503
            assert refused.json()["error"]["type"] == "overloaded"
            assert int(refused.headers["retry-after"]) >= 1
            assert took < 1  # the bound itself is far lower; this machine may be busy
            assert gateway.record(refused.headers["x-request-id"])["error"] == "overloaded"
            provider.go_on.set()
            assert [one.result(20).status_code for one in held] == [200, 200, 200]
            assert client.post(CHAT, json={"model": "test-ok", "prompt": "x"}).status_code == 200
