"""Callers who leave: the provider is let go at once, and the record is kept."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import provider as providers
from gateway import Gateway, serving, until, write_config
from patience import PATIENCE, best_of
from provider import Provider

BOUND = 0.1
NOTICED = 0.1
"""By when the provider has seen it: it writes every 5 ms, and fails at the second try."""


@pytest.fixture(scope="module")
def leaving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Provider]]:
    folder: Path = tmp_path_factory.mktemp("leaving")
    with providers.running() as provider:
        write_config(folder, provider)
        with serving(folder) as gateway:
            yield gateway, provider


@pytest.mark.parametrize("stream", [False, True])
@best_of(8)
def test_leaving_cancels_the_upstream(leaving: tuple[Gateway, Provider], *, stream: bool) -> None:
    gateway, provider = leaving
    body = b'{"model": "test-endless", "stream": %s, "prompt": "x"}' % (
        b"true" if stream else b"false"
    )
    known = len(provider.requests)
    host, port = gateway.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=PATIENCE)
    connection.sendall(
        b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: %b\r\n"
        b"content-length: %d\r\n\r\n%b" % (gateway.key.encode(), len(body), body)
    )
    until(lambda: len(provider.requests) > known)
    if stream:
        assert b"200 OK" in connection.recv(4096)
    provider.left.clear()
    left = time.monotonic()
    connection.close()
    if stream:
        assert provider.left.wait(PATIENCE)
        took = time.monotonic() - left
    with gateway.client() as client:
        wanted = {"error": "client_disconnected", "limit": "1"}
        listed: list[str] = []

        def on_record() -> bool:
            found = client.get("/v1/requests", params=wanted).json()["data"]
            listed[:] = [one["request_id"] for one in found if bool(one.get("stream")) is stream]
            return bool(listed)

        until(on_record)
    record = gateway.record(listed[0])
    assert record["status"] == 499
    assert record["usage"]["estimated"] is True
    assert record["usage"]["input_tokens"] == 0  # "x" with its quotes, at four bytes to a token
    if stream:
        assert took < BOUND + NOTICED
