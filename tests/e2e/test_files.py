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
from wire import answers, connected, drain, post

FILES = 64
CALLERS = 60
STREAM = b'{"model": "test-paused", "prompt": "x", "stream": true}'


@pytest.fixture(scope="module")
def narrow(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("narrow")
    write_config(folder, provider)
    with serving(folder, files=FILES) as running:
        yield running


def lacking(gateway: Gateway) -> list[str]:
    """The parts that `/ready` finds not to be well, asked on a connection of its own."""
    told = httpx.get(f"{gateway.url}/ready", timeout=PATIENCE).json()
    return [finding["part"] for finding in told["findings"]]


def test_streams_beyond_its_files_are_refused_and_the_operator_is_told(
    narrow: Gateway, provider: Provider
) -> None:
    with ExitStack() as stack:
        callers = [stack.enter_context(connected(narrow, PATIENCE)) for _ in range(CALLERS // 2)]
        for caller in callers:
            caller.sendall(post(narrow, STREAM))
            caller.recv(1, socket.MSG_PEEK)
        assert lacking(narrow) == ["files"]
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


def test_idle_callers_make_way_and_all_is_well_again(narrow: Gateway) -> None:
    with ExitStack() as stack:
        for _ in range(CALLERS):
            stack.enter_context(connected(narrow))
        until(lambda: _is_answered(narrow))
    until(lambda: lacking(narrow) == [])  # nor is the provider blamed for anything


def _is_answered(gateway: Gateway) -> bool:
    with connected(gateway) as caller:
        caller.sendall(post(gateway))
        return [answer.status for answer in answers(drain(caller))] == [200]
