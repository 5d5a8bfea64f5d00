"""Callers who leave: the provider is let go at once, and the record is kept."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import pytest

import provider as providers
from gateway import serving, until, write_config

BOUND = 0.1


@pytest.mark.parametrize("stream", [False, True])
def test_leaving_cancels_the_upstream(tmp_path: Path, *, stream: bool) -> None:
    body = b'{"model": "test-endless", "stream": %s, "prompt": "x"}' % (
        b"true" if stream else b"false"
    )
    with providers.running() as provider:
        write_config(tmp_path, provider)
        with serving(tmp_path) as gateway:
            host, port = gateway.url.removeprefix("http://").split(":")
            connection = socket.create_connection((host, int(port)), timeout=10)
            connection.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: %b\r\n"
                b"content-length: %d\r\n\r\n%b" % (gateway.key.encode(), len(body), body)
            )
            until(lambda: len(provider.requests) == 1)
            if stream:
                assert b"200 OK" in connection.recv(4096)
            left = time.monotonic()
            connection.close()
            if stream:  # the provider notices when it writes, every 5 ms
                assert provider.left.wait(2)
                assert time.monotonic() - left < BOUND + 0.1
            until(lambda: '"client_disconnected"' in gateway.run("logs", "--json").stdout)
            record = next(
                line
                for line in gateway.run("logs", "--json").stdout.splitlines()
                if '"client_disconnected"' in line
            )
            assert '"status":499' in record.replace(" ", "")
            if stream:
                assert '"estimated":true' in record.replace(" ", "")
