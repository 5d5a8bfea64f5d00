"""`GET /metrics`, scraped from a running gateway."""

from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from gateway import Gateway, until

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
    """Of models that no other test asks: theirs may be counted while this one looks."""
    before = scrape(client)
    for model in ("no-such-model", "counted", "counted", "counted-bad-key"):
        client.post(PATH, json={"model": model, "prompt": "x"})
    wanted = {
        ("counted", "200", ""): 2.0,
        ("counted-bad-key", "502", "provider_credentials"): 1.0,
    }

    def counted() -> dict[tuple[str, str, str], float]:
        return {key: value for key, value in scrape(client).items() if key[0].startswith("counted")}

    until(lambda: counted() == wanted)
    unknown = ("", "404", "model_not_found")
    until(lambda: scrape(client).get(unknown, 0) > before.get(unknown, 0))
    assert not any(model == "no-such-model" for model, _, _ in scrape(client))
