"""Keys made, revoked, rotated and expired while the gateway runs: it follows within 2 s."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import httpx

from gateway import Gateway
from patience import PATIENCE, best_of

CHAT = "/v1/chat/completions"
GOOD = {"model": "test-ok", "messages": [{"role": "user", "content": "Hello?"}]}
BOUND = 2.0


def status(gateway: Gateway, key: str) -> int:
    return httpx.post(
        gateway.url + CHAT,
        json=GOOD,
        headers={"authorization": key},
        timeout=PATIENCE,
        verify=False,  # or each would read all certificates of the world first
    ).status_code


def becomes(check: Callable[[], bool]) -> float:
    """Seconds until the check holds."""
    started = time.monotonic()
    while not check():
        assert time.monotonic() - started < PATIENCE
        time.sleep(0.05)
    return time.monotonic() - started


@best_of(5)
def test_a_new_key_works_at_once_and_a_revoked_one_soon_no_more(gateway: Gateway) -> None:
    made = gateway.new_key()
    assert status(gateway, made["key"]) == 200
    assert gateway.run("keys", "revoke", made["id"]).returncode == 0
    assert becomes(lambda: status(gateway, made["key"]) == 401) < BOUND


@best_of(5)
def test_a_key_expires_on_its_own(gateway: Gateway) -> None:
    made = gateway.new_key("--expires", "2s")
    assert status(gateway, made["key"]) == 200
    assert becomes(lambda: status(gateway, made["key"]) == 401) < 2 + BOUND


@best_of(5)
def test_rotation_overlaps(gateway: Gateway) -> None:
    old = gateway.new_key("--rate-limit", "test-ok=12345")
    rotated = gateway.run("keys", "rotate", old["id"], "--overlap", "1h", "--json")
    new = json.loads(rotated.stdout)
    assert status(gateway, old["key"]) == status(gateway, new["key"]) == 200
    with gateway.client(new["key"]) as client:
        assert client.post(CHAT, json=GOOD).headers["x-ratelimit-limit"] == "12345"
    assert gateway.run("keys", "revoke", old["id"]).returncode == 0
    assert becomes(lambda: status(gateway, old["key"]) == 401) < BOUND
    assert status(gateway, new["key"]) == 200
