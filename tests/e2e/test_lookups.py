"""Callers look up their own requests: `GET /v1/requests/{request_id}` and `GET /v1/requests`."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from callgate.core import ids
from callgate.core.keys import mint
from gateway import PROVIDER_KEY, Gateway
from patience import PATIENCE

CHAT = "/v1/chat/completions"
LIST = "/v1/requests"
ONCE = {"fallback_config": {"retry": False}}


def ask(client: httpx.Client, model: str = "test-ok", **more: Any) -> str:
    """Make a call; the id of it, which comes before the next one's."""
    asked = {"model": model, "prompt": "x", **more}
    request_id = str(client.post(CHAT, json=asked).headers["x-request-id"])
    time.sleep(0.001)  # those of one millisecond are in no order
    return request_id


@pytest.fixture(scope="module")
def account(gateway: Gateway) -> Iterator[httpx.Client]:
    """An account that nobody else uses."""
    with gateway.client(gateway.new_key("--account", "curious")["key"]) as client:
        yield client


def assert_unknown(response: httpx.Response, request_id: str) -> None:
    body = response.json()
    assert (response.status_code, body["error"]["type"]) == (404, "request_not_found")
    assert body["message"] == f"No request {request_id!r} is on record for this account"


def test_a_request_is_found_as_soon_as_it_has_been_answered(client: httpx.Client) -> None:
    for stream in (False, True):
        found = client.get(f"{LIST}/{ask(client, stream=stream)}").json()
        assert (found["status"], found["model"]) == (200, "test-ok")
        assert found.get("stream", False) is stream
        assert found["attempts"][0]["provider_request_id"] == "req_upstream"
        assert found["explanation"]["outcome"] == "answered"
        assert found["usage"]["total_tokens"] > 0


def test_another_key_of_the_account_sees_it_and_nobody_else(
    gateway: Gateway, account: httpx.Client
) -> None:
    request_id = ask(account)
    other = gateway.new_key("--account", "curious")
    with gateway.client(other["key"]) as sibling, gateway.client() as stranger:
        assert sibling.get(f"{LIST}/{request_id}").json()["request_id"] == request_id
        assert sibling.get(f"{LIST}/{request_id.upper()}").status_code == 200
        assert_unknown(stranger.get(f"{LIST}/{request_id}"), request_id)
        never = ids.uuid7(1_795_000_000_000, 7)
        assert_unknown(stranger.get(f"{LIST}/{never}"), never)
        assert_unknown(stranger.get(f"{LIST}/nonsense"), "nonsense")


def test_without_a_key_nothing_is_told(gateway: Gateway, account: httpx.Client) -> None:
    request_id = ask(account)
    for path in (LIST, f"{LIST}/{request_id}"):
        refused = httpx.get(gateway.url + path, timeout=PATIENCE)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"] == "Bearer"
        with gateway.client(mint("us", b"x" * 20)) as unknown:
            assert unknown.get(path).status_code == 401


def test_what_a_key_was_refused_is_found_too(gateway: Gateway, account: httpx.Client) -> None:
    refused = ask(account, temperature="hot")
    found = account.get(f"{LIST}/{refused}").json()
    assert (found["error"], found["param"]) == ("invalid_field", "temperature")
    assert found["explanation"]["fault"].startswith("the caller")


def test_the_operators_own_affairs_are_not_told(account: httpx.Client, gateway: Gateway) -> None:
    request_id = ask(account, "test-bad-key", **ONCE)
    record = gateway.record(request_id)
    assert record["attempts"][0]["host"] == "127.0.0.1"
    assert "redacted" in record["detail"]
    text = account.get(f"{LIST}/{request_id}").text
    found = json.loads(text)
    assert "provider_credentials" in found["explanation"]["verdict"]
    assert "help@example.org" in text
    for hidden in ("redacted", "127.0.0.1:", PROVIDER_KEY):
        assert hidden not in text
    assert "detail" not in found
    assert not {"host", "message", "body"} & set(found["attempts"][0])
    rejected = account.get(f"{LIST}/{ask(account, 'test-rejected')}").json()
    assert "Bad 'seed'" in rejected["attempts"][0]["message"]  # that is the caller's


def test_a_list_is_of_the_account_alone_newest_first(gateway: Gateway) -> None:
    made = gateway.new_key("--account", "lister")
    with gateway.client(made["key"]) as client:
        asked = [ask(client) for _ in range(3)]
        asked.append(ask(client, "test-broken", **ONCE))
        asked.append(ask(client, "test-none"))
        listed = client.get(LIST).json()
        assert [one["request_id"] for one in listed["data"]] == asked[::-1]
        assert listed["next_cursor"] is None
        first = listed["data"][0]
        assert (first["status"], first["error"]) == (404, "model_not_found")

        def ids_of(**filters: Any) -> list[str]:
            found = client.get(LIST, params=filters)
            assert found.status_code == 200, found.text
            return [one["request_id"] for one in found.json()["data"]]

        assert ids_of(model="test-ok") == asked[2::-1]
        assert ids_of(status="4xx") == [asked[4]]
        assert ids_of(status="502") == []
        assert ids_of(error="any") == [asked[4], asked[3]]
        assert ids_of(error="provider_unavailable") == [asked[3]]
        assert ids_of(since="1h", model="test-none") == [asked[4]]
        assert ids_of(until="1h") == []
        took = [id_ for id_ in asked[::-1] if gateway.record(id_)["total_us"] >= 2000]
        assert ids_of(min_duration="2ms") == took
        assert ids_of(min_cost="0.50") == []
        record = gateway.record(asked[2])
        assert ids_of(since=str(record["time"])) == asked[:1:-1]
        pages, cursor = [], None
        while cursor is not None or not pages:
            more = {"cursor": cursor} if cursor else {}
            page = client.get(LIST, params={"limit": "2", **more}).json()
            pages.append([one["request_id"] for one in page["data"]])
            cursor = page["next_cursor"]
        assert pages == [asked[:2:-1], asked[2:0:-1], asked[:1]]


def test_every_parameter_that_makes_no_sense_is_named(account: httpx.Client) -> None:
    wrong = {"limit": "101", "status": "6xx", "since": "soon", "cursor": "x", "modell": "y"}
    error = account.get(LIST, params=wrong).json()["error"]
    assert (error["type"], error["code"]) == ("invalid_field", 400)
    assert [told.partition(":")[0] for told in error["metadata"]["errors"]] == list(wrong)
    assert "did you mean 'model'?" in error["metadata"]["errors"][-1]


def test_a_flood_of_look_ups_is_turned_away_at_a_bound(account: httpx.Client) -> None:
    def look(_: int) -> httpx.Response:
        # As the pool itself would close idle ones beyond 20 while another thread takes them up.
        return account.get(LIST, params={"error": "any"}, headers={"connection": "close"})

    with ThreadPoolExecutor(40) as threads:
        answers = list(threads.map(look, range(80)))
    statuses = {one.status_code for one in answers}
    assert statuses <= {200, 503}
    assert 200 in statuses
    for one in answers:
        if one.status_code == 503:
            assert one.json()["error"]["type"] == "overloaded"
            assert one.headers["retry-after"] == "1"
    assert account.get(LIST).status_code == 200
