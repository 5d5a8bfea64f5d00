"""llama.cpp, really running as a child: it answers, keeps strangers out, and never stays behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from typing import Any

import pytest

from callgate.local.model import LocalModelError
from callgate.local.process import LocalServer
from callgate.local.watchdog import Watchdog
from patience import PATIENCE

CHAT = {
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    "max_tokens": 12,
    "temperature": 0,
    "cache_prompt": False,  # or the second answer may differ from the first by rounding
}


def test_a_machine_without_room_for_it_does_not_end_who_watches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    weights = tmp_path / "some.gguf"
    weights.touch()
    Watchdog(LocalServer(weights))()
    assert "the local model cannot be started" in caplog.text


@pytest.fixture(scope="module")
def server(weights: Path) -> Iterator[LocalServer]:
    with LocalServer(weights, context_length=512) as running:
        yield running


@contextmanager
def _asking(server: LocalServer, body: dict[str, Any]) -> Iterator[HTTPResponse]:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connection:
        key = f"Bearer {server.secret.reveal()}"
        headers = {"Content-Type": "application/json", "Authorization": key}
        connection.request("POST", "/v1/chat/completions", json.dumps(body), headers)
        with connection.getresponse() as response:
            yield response


def _answer(server: LocalServer) -> dict[str, Any]:
    with _asking(server, CHAT) as response:
        assert response.status == 200
        answer: dict[str, Any] = json.load(response)
    return answer


def _closed(port: int, within: float = PATIENCE) -> bool:
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            return True
        time.sleep(0.02)
    return False


def test_it_answers_a_chat_completion(server: LocalServer) -> None:
    answer = _answer(server)
    assert len(answer["choices"][0]["message"]["content"].split()) > 3
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["usage"]["completion_tokens"] == 12
    assert answer["model"] == "smollm2-135m-instruct"


def test_it_streams_the_same_answer(server: LocalServer) -> None:
    options = {"include_usage": True}
    with _asking(server, {**CHAT, "stream": True, "stream_options": options}) as response:
        assert response.headers["Content-Type"].startswith("text/event-stream")
        events = [line[6:] for line in response if line.startswith(b"data: ")]
    assert events.pop().strip() == b"[DONE]"
    chunks = [json.loads(event) for event in events]
    pieces = [choice["delta"].get("content") or "" for c in chunks for choice in c["choices"]]
    assert "".join(pieces) == _answer(server)["choices"][0]["message"]["content"]
    assert len(pieces) >= 12
    assert chunks[-1]["usage"]["completion_tokens"] == 12


@pytest.mark.parametrize("key", ["", "Bearer wrong", "Bearer "])
@pytest.mark.parametrize("path", ["/v1/chat/completions", "/completion", "/slots", "/props"])
def test_a_stranger_is_refused(server: LocalServer, key: str, path: str) -> None:
    headers = {"Content-Type": "application/json", **({"Authorization": key} if key else {})}
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connection:
        connection.request("POST", path, json.dumps(CHAT), headers)
        with connection.getresponse() as response:
            assert response.status == 401


def test_the_key_is_not_among_the_arguments(server: LocalServer) -> None:
    shown = Path(f"/proc/{server.pid}/cmdline").read_text()
    assert "callgate.local.server" in shown
    assert server.secret.reveal() not in shown


def test_it_listens_on_loopback_alone(server: LocalServer) -> None:
    assert str(server.origin) == f"http://127.0.0.1:{server.port}"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.2", server.port), timeout=1)


def test_an_interrupt_from_the_terminal_is_left_to_the_parent(server: LocalServer) -> None:
    assert server.pid is not None
    os.kill(server.pid, signal.SIGINT)
    assert _answer(server)


def test_it_starts_again_after_a_crash_where_it_was(weights: Path) -> None:
    with LocalServer(weights, context_length=512) as server:
        port, secret, pid = server.port, server.secret.reveal(), server.pid
        assert pid is not None
        assert server.alive()
        os.kill(pid, signal.SIGKILL)
        assert _closed(port)
        assert not server.alive()
        server.start()
        assert (server.port, server.secret.reveal()) == (port, secret)
        assert server.pid != pid
        assert _answer(server)
    assert not server.alive()
    assert _closed(port)


def test_a_termination_signal_ends_it_at_once(weights: Path) -> None:
    server = LocalServer(weights, context_length=512)
    server.start()
    child = server._child
    assert child is not None
    with _asking(server, {**CHAT, "stream": True, "max_tokens": 400}) as response:
        assert response.readline().startswith(b"data: ")
        child.terminate()
        assert child.wait(PATIENCE) == -signal.SIGTERM
    server.stop()
    server.stop()


PARENT = """
import os, sys, time
from pathlib import Path
from callgate.local.process import LocalServer
from callgate.local.watchdog import Watchdog
server = LocalServer(Path(sys.argv[1]), context_length=512)
server.start()
heir = os.fork() if sys.argv[2] == "heir" else 0
if heir or sys.argv[2] == "none":
    print(server.port, heir, flush=True)
time.sleep(120)
"""


@pytest.mark.parametrize("heir", ["none", "heir"], ids=["alone", "pipe held by another"])
def test_it_dies_with_a_parent_that_is_killed(weights: Path, heir: str) -> None:
    command = [sys.executable, "-c", PARENT, str(weights), heir]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        port, holder = map(int, parent.stdout.readline().split())
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            parent.kill()
            assert _closed(port)
        finally:
            parent.kill()
            if holder:
                os.kill(holder, signal.SIGKILL)


def test_a_file_that_is_no_model_is_told_with_a_fix(tmp_path: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_text("junk")
    server = LocalServer(junk)
    with pytest.raises(LocalModelError, match=r"(?s)junk\.gguf.*invalid magic") as caught:
        server.start()
    assert "callgate local fetch" in caught.value.fix
    assert not server.alive()


def test_missing_weights_are_told_with_a_fix(tmp_path: Path) -> None:
    with pytest.raises(LocalModelError, match="no weights at") as caught:
        LocalServer(tmp_path / "none.gguf").start()
    assert "callgate local fetch" in caught.value.fix


def test_a_missing_extra_is_told_with_a_fix(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "xllamacpp", None)
    with pytest.raises(LocalModelError, match="extra `local`") as caught:
        LocalServer(weights).start()
    assert "pip install 'callgate[local]'" in caught.value.fix


def test_a_library_that_the_system_lacks_is_told_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reason = "libgomp.so.1: cannot open shared object file: No such file or directory"
    (tmp_path / "xllamacpp.py").write_text(f"raise ImportError({reason!r})")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(LocalModelError, match=reason) as caught:
        LocalServer(tmp_path / "xllamacpp.py").start()
    assert "libgomp1" in caught.value.fix


def test_loading_that_takes_too_long_is_told_and_ended(weights: Path) -> None:
    server = LocalServer(weights)
    with pytest.raises(LocalModelError, match="not loaded within"):
        server.start(timeout=0.01)
    assert not server.alive()


def test_a_server_without_a_key_refuses_to_start(weights: Path) -> None:
    command = [sys.executable, "-m", "callgate.local.server", f"--weights={weights}"]
    command += ["--alias=x", "--context-length=512", "--slots=1"]
    done = subprocess.run(command, input=b"", capture_output=True, timeout=PATIENCE, check=False)
    assert done.returncode == 2
    assert b"no API key" in done.stderr
    assert done.stdout == b""


def test_it_ends_at_once_although_its_parent_blocks_signals(weights: Path) -> None:
    server = LocalServer(weights, context_length=512)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        server.start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    child = server._child
    assert child is not None
    server.stop(grace=5)
    assert child.returncode == -signal.SIGTERM
