"""The server beside its faults: what it remembers, which requests it reads, how it ends."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import pytest

from callgate.chaos import server as server_module
from callgate.chaos.answer import SENTENCE
from callgate.chaos.faults import FAULTS
from callgate.chaos.server import Chaos, running_chaos
from patience import PATIENCE

from .client import SPEECHES, ask, get, parsed, read, whole

QUESTION = b'{"model": "ok", "messages": [{"role": "user", "content": "Go."}]}'
POST = b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n"


@pytest.fixture
def fresh() -> Iterator[Chaos]:
    with running_chaos() as server:
        yield server


def connect(chaos: Chaos) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", chaos.port), 5)
    connection.settimeout(PATIENCE)
    return connection


def until(seen: object, wanted: object) -> None:
    """Wait for a call's result to be the wanted one, and fail if it does not come."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if seen() == wanted:  # type: ignore[operator]
            return
        time.sleep(0.002)
    assert seen() == wanted  # type: ignore[operator]


def test_it_remembers_the_requests_in_their_order(fresh: Chaos) -> None:
    before = time.monotonic()
    for dialect in SPEECHES:
        ask(fresh.port, dialect, "ok", stream=dialect == "gemini")
    ask(fresh.port, "openai", "no-such-model", stream=False)
    seen = [(one.dialect, one.model, one.stream) for one in fresh.requests]
    assert seen == [
        *((dialect, "ok", dialect == "gemini") for dialect in SPEECHES),
        ("openai", "no-such-model", False),
    ]
    times = [one.time for one in fresh.requests]
    assert times == sorted(times)
    assert before <= times[0] <= times[-1] <= time.monotonic()


def test_it_forgets_the_older_half_of_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_SEEN", 10)
    monkeypatch.setattr(server_module, "MAX_COUNTED", 3)
    with running_chaos() as chaos:
        for number in range(11):
            ask(chaos.port, "openai", f"{number}:ok", stream=False)
        assert [one.model for one in chaos.requests] == [f"{number}:ok" for number in range(5, 11)]
        assert len(chaos._counts) == len(chaos._since) == 3


def test_it_counts_open_connections_and_tells_who_left(fresh: Chaos) -> None:
    with connect(fresh) as one, connect(fresh) as other:
        body = QUESTION.replace(b"ok", b"silence")
        other.sendall(POST + b"content-length: %d\r\n\r\n" % len(body) + body)
        one.sendall(POST)
        until(lambda: (fresh.open_connections, len(fresh.requests)), (2, 1))
        assert fresh.left == []
    until(lambda: fresh.open_connections, 0)
    assert [(one.dialect, one.model) for one in fresh.left] == [("openai", "silence")]
    assert fresh.left[0].time >= fresh.requests[0].time


def test_a_reset_makes_everything_new(fresh: Chaos) -> None:
    def status() -> int:
        return ask(fresh.port, "openai", "500-once", stream=False).status

    assert [status(), status()] == [500, 200]
    fresh.reset()
    assert fresh.requests == []
    assert status() == 500
    assert len(fresh.requests) == 1


def test_a_connection_takes_one_request_after_another(chaos: Chaos) -> None:
    with connect(chaos) as connection:
        for name in (b"ok", b"503-always", b"slow-first-token-1", b"no-done", b"ok"):
            body = QUESTION.replace(b"ok", name)
            connection.sendall(POST + b"content-length: %d\r\n\r\n" % len(body) + body)
            result = read(connection, PATIENCE)
            assert (result.status, result.ended) == (503 if b"503" in name else 200, "whole")


@pytest.mark.parametrize("head", [b"connection: close\r\n", b"Connection: Close\r\n"])
def test_a_connection_closes_where_the_client_asks(chaos: Chaos, head: bytes) -> None:
    with connect(chaos) as connection:
        connection.sendall(POST + head + b"content-length: %d\r\n\r\n" % len(QUESTION) + QUESTION)
        data = b""
        while more := connection.recv(1 << 16):
            data += more
    assert whole(data)
    assert SENTENCE.encode() in data


def test_a_body_may_come_in_chunks_and_after_a_pause_for_permission(chaos: Chaos) -> None:
    with connect(chaos) as connection:
        connection.sendall(POST + b"transfer-encoding: chunked\r\nexpect: 100-continue\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        for part in (QUESTION[:20], QUESTION[20:]):
            connection.sendall(b"%x;note=1\r\n%b\r\n" % (len(part), part))
        connection.sendall(b"0\r\ntrailer: 1\r\n\r\n")
        assert SENTENCE.encode() in read(connection, PATIENCE).body


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / SPDY/3\r\n\r\n",
        POST + b"no colon\r\n\r\n",
        POST + b"content-length: -1\r\n\r\n",
        POST + b"content-length: 99999999999\r\n\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n-1\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\nffffffff\r\n",
        POST + b"transfer-encoding: chunked\r\n\r\n" + b"1" * 2000 + b"\r\n",
        b"GET //[ HTTP/1.1\r\n\r\n",
        b"a" * (65 << 10) + b"\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_closed(chaos: Chaos, data: bytes) -> None:
    with connect(chaos) as connection:
        connection.sendall(data)
        answer = b""
        try:
            while more := connection.recv(1 << 16):
                answer += more
        except ConnectionResetError:
            pass  # it closed before all was read, as with what is too large
    assert parsed(answer, "closed").status == 400


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("/v1/chat/completions", "error"),
        ("/v1/messages", "error"),
        ("/v1beta/models/ok:generateContent", "error"),
        ("/model/ok/converse", "message"),
        ("/v2/chat", "message"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"model": 1, "messages": [3]}'])
def test_a_body_that_asks_nothing_is_refused_in_the_dialects_shape(
    chaos: Chaos, path: str, key: str, body: bytes
) -> None:
    with connect(chaos) as connection:
        head = f"POST {path} HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        result = read(connection, PATIENCE)
    assert result.status == 400
    assert key in json.loads(result.body)


@pytest.mark.parametrize(
    ("path", "headers", "rows", "name"),
    [
        ("/v1/models", "", "data", "id"),
        ("/models", "", "data", "id"),
        ("/v1/models", "anthropic-version: 2023-06-01\r\n", "data", "display_name"),
        ("/v1beta/models?pageSize=1000", "", "models", "displayName"),
        ("/models", "x-goog-api-key: k\r\n", "models", "displayName"),
        ("/foundation-models", "", "modelSummaries", "modelId"),
        ("/v2/models", "", "models", "name"),
    ],
)
def test_each_dialect_lists_the_faults(
    chaos: Chaos, path: str, headers: str, rows: str, name: str
) -> None:
    result = get(chaos.port, path, headers)
    assert result.status == 200
    assert [row[name] for row in json.loads(result.body)[rows]] == list(FAULTS)


@pytest.mark.parametrize("path", ["/", "/v1/model", "/v1/chat/completions"])
def test_an_unknown_path_is_told_so(chaos: Chaos, path: str) -> None:
    assert get(chaos.port, path).status == 404


def test_a_stream_keeps_its_pace() -> None:
    with running_chaos(pace=0.01) as chaos:
        begun = time.monotonic()
        ask(chaos.port, "cohere", "ok", stream=True)
        assert time.monotonic() - begun >= 0.32


async def test_it_runs_on_a_loop_that_is_there_already() -> None:
    async with Chaos() as chaos:
        result = await asyncio.to_thread(ask, chaos.port, "openai", "ok", stream=False)
        assert result.status == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", chaos.port)
        body = QUESTION.replace(b"ok", b"silence")
        writer.write(POST + b"content-length: %d\r\n\r\n" % len(body) + body)
        while len(chaos.requests) < 2:
            await asyncio.sleep(0.001)
    assert await reader.read() == b""  # the end of the server ends the silence
    assert chaos.open_connections == 0
    writer.close()


def test_it_ends_while_a_caller_does_not_read() -> None:
    with running_chaos() as chaos, connect(chaos) as connection:
        body = QUESTION.replace(b"ok", b"header-flood-100000")
        connection.sendall(POST + b"content-length: %d\r\n\r\n" % len(body) + body)
        until(lambda: len(chaos.requests), 1)
    assert chaos.open_connections == 0


def test_a_port_that_is_taken_is_an_error(chaos: Chaos) -> None:
    with pytest.raises(OSError, match="in use"), running_chaos(chaos.port):
        pass
