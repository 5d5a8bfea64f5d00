"""`GET /metrics`, scraped from a running gateway."""

from __future__ import annotations

import time

import httpx
from prometheus_client.parser import text_string_to_metric_families

from gateway import Gateway

PATH = "/v1/chat/completions"


def scrape(client: httpx.Client) -> dict[tuple[str, str, str], float]:
    """Requests by model, status and type."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.labels["model"], sample.labels["status"], sample.labels["type"]): sample.value
        for family in text_string_to_metric_families(answer.text)
        if family.name == "callgate_requests"
        for sample in family.samples
        if sample.labels["stream"] == "false"
    }


def test_what_was_asked_is_counted(gateway: Gateway, client: httpx.Client) -> None:
    before = scrape(client)
    for model in ("test-ok", "test-ok", "no-such-model", "test-bad-key"):
        client.post(PATH, json={"model": model, "prompt": "x"})
    wanted = {
        ("test-ok", "200", ""): 2,
        ("", "404", "model_not_found"): 1,
        ("test-bad-key", "502", "provider_credentials"): 1,
    }
    deadline = time.monotonic() + 10
    while any(
        after.get(key, 0) - before.get(key, 0) != n
        for after in [scrape(client)]
        for key, n in wanted.items()
    ):
        assert time.monotonic() < deadline, (before, scrape(client))
        time.sleep(0.05)
