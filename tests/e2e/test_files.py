"""A worker that may have few files open tells whom it cannot serve, and stays of use."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from gateway import Gateway, serving, until, write_config
from patience import PATIENCE
from provider import Provider
from wire import HELLO, answers, connected, drain, post

FILES = 64
CALLERS = 30
STREAM = b'{"model": "test-paused", "prompt": "x", "stream": true}'


@pytest.fixture(scope="module")
def narrow(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("narrow")
    write_config(folder, provider)
    with serving(folder, files=FILES) as running:
        yield running


def test_streams_beyond_its_files_are_refused_and_the_operator_is_told(
    narrow: Gateway, provider: Provider
) -> None:
    with ExitStack() as stack:
        callers = []
        for _ in range(CALLERS):
            caller = stack.enter_context(connected(narrow, PATIENCE))
            caller.sendall(post(narrow, STREAM))
            caller.recv(1, socket.MSG_PEEK)
            callers.append(caller)
        (finding,) = httpx.get(f"{narrow.url}/ready", timeout=PATIENCE).json()["findings"]
        assert (finding["part"], finding["state"]) == ("files", "degraded")
        until(lambda: "LimitNOFILE" in narrow.log)
        provider.go_on.set()
        found = [next(answers(drain(caller))) for caller in callers]
    assert {answer.status for answer in found} == {200, 503}
    for answer in found:
        if answer.status == 200:
            assert answer.body.endswith(b"data: [DONE]\n\n")
        else:
            assert answer.error == "overloaded"
            assert "LimitNOFILE" in answer.json["error"]["metadata"]["fix"]
            assert answer.headers["retry-after"] == "1"


def test_the_provider_is_not_blamed(narrow: Gateway) -> None:
    with narrow.client() as client:
        assert client.post("/v1/chat/completions", content=HELLO).status_code == 200
