"""`callgate.client.log_entry`: the documented entry, whatever library made the call."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
import requests

from callgate.client import log_entry
from gateway import Gateway
from patience import PATIENCE

CHAT = "/v1/chat/completions"
FIELDS = ["timestamp", "region", "model", "status_code", "request_id", "error"]
GOOD = {"model": "test-ok", "messages": [{"role": "user", "content": "Hello?"}]}
BAD = {**GOOD, "temperature": "hot"}


@pytest.fixture(scope="module")
def sdk(gateway: Gateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(
        api_key=gateway.key, base_url=f"{gateway.url}/v1", max_retries=0, timeout=20
    ) as client:
        yield client


def assert_logged(
    entry: dict[str, Any], gateway: Gateway, status: int | None, model: str = "test-ok"
) -> dict[str, Any]:
    """What every entry of a call that reached the gateway has; gives its record."""
    assert list(entry) == FIELDS
    assert (entry["model"], entry["status_code"]) == (model, status)
    record = gateway.record(entry["request_id"])
    assert abs(entry["timestamp"] * 1000 - record["time"]) < 1000
    assert (entry["error"] is None) is ("error" not in record)
    if entry["error"] is not None:
        assert entry["error"]["type"] == record["error"]
    assert gateway.key not in str(entry)
    return record


@pytest.mark.parametrize(("body", "status"), [(GOOD, 200), (BAD, 400)])
def test_requests_and_httpx(gateway: Gateway, body: dict[str, Any], status: int) -> None:
    headers = {"Authorization": gateway.key}
    for library in (requests, httpx):
        response = library.post(gateway.url + CHAT, json=body, headers=headers, timeout=PATIENCE)
        entry = log_entry(response)
        assert_logged(entry, gateway, status)
        assert entry["region"] == "us"


def test_a_stream_that_is_not_read_yet_stays_unread(gateway: Gateway) -> None:
    headers = {"Authorization": gateway.key}
    asked = {**GOOD, "stream": True}
    with requests.post(
        gateway.url + CHAT, json=asked, headers=headers, stream=True, timeout=PATIENCE
    ) as response:
        entry = log_entry(response)
        assert list(response.iter_lines())[-2] == b"data: [DONE]"
    assert_logged(entry, gateway, 200)
    with httpx.stream(
        "POST", gateway.url + CHAT, json=asked, headers=headers, timeout=PATIENCE
    ) as streamed:
        entry = log_entry(streamed)
        assert list(streamed.iter_lines())[-2] == "data: [DONE]"
    assert_logged(entry, gateway, 200)


def test_what_openais_sdk_gives(gateway: Gateway, sdk: openai.OpenAI) -> None:
    answer = sdk.chat.completions.create(**GOOD)  # type: ignore[call-overload]
    assert assert_logged(log_entry(answer), gateway, 200)
    assert log_entry(answer, region="us")["region"] == "us"
    raw = sdk.chat.completions.with_raw_response.create(**GOOD)  # type: ignore[call-overload]
    entry = log_entry(raw)
    assert_logged(entry, gateway, 200)
    assert entry["region"] == "us"
    stream = sdk.chat.completions.create(**GOOD, stream=True)  # type: ignore[call-overload]
    entry = log_entry(stream)
    chunk = next(iter(stream))
    assert log_entry(chunk)["request_id"] == entry["request_id"]
    list(stream)
    assert_logged(entry, gateway, 200)


def test_what_openais_sdk_raises(gateway: Gateway, sdk: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        sdk.chat.completions.create(**BAD)  # type: ignore[call-overload]
    entry = log_entry(refused.value)
    record = assert_logged(entry, gateway, 400)
    assert (entry["region"], record["param"]) == ("us", "temperature")


def test_an_error_amid_a_stream(gateway: Gateway, sdk: openai.OpenAI) -> None:
    cut = {**GOOD, "model": "test-cut", "stream": True}
    with pytest.raises(openai.APIError) as broken:
        list(sdk.chat.completions.create(**cut))  # type: ignore[call-overload]
    entry = log_entry(broken.value)
    assert_logged(entry, gateway, 502, "test-cut")
    assert (entry["error"]["type"], entry["region"]) == ("upstream_cut", "us")


def test_a_gateway_that_is_not_reached() -> None:
    began = time.time()
    client = openai.OpenAI(api_key="cg_eu_x", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with client, pytest.raises(openai.APIConnectionError) as away:
        client.chat.completions.create(**GOOD)  # type: ignore[call-overload]
    entry = log_entry(away.value)
    assert list(entry) == FIELDS
    assert (entry["status_code"], entry["request_id"], entry["region"]) == (None, None, "eu")
    assert entry["error"] == {"message": "Connection error.", "type": "APIConnectionError"}
    assert entry["timestamp"] >= began


@pytest.mark.parametrize("thing", [None, 5, "text", b"", {}, {"error": "text"}, ValueError("x")])
def test_it_never_raises(thing: Any) -> None:
    assert list(log_entry(thing)) == FIELDS


def test_importing_it_imports_nothing_of_the_server_and_no_package() -> None:
    program = (
        "import sys; before = set(sys.modules); import callgate.client; "
        "print(*sorted(name.partition('.')[0] for name in set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    foreign = set(done.stdout.split()) - set(sys.stdlib_module_names)
    assert foreign == {"callgate"}
    told = subprocess.run(
        [sys.executable, "-c", program.replace(".partition('.')[0]", "")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours = {name for name in told.stdout.split() if name.startswith("callgate")}
    assert ours == {"callgate", "callgate.client"}
