"""`callgate serve` as a process: how it starts, what it says when it cannot, how it ends."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from gateway import Gateway, callgate, children, environment, serving, until, write_config
from patience import PATIENCE
from provider import WORDS, Provider
from wire import CHAT, HELLO, answers, connected, drain, post

ASKED = {"model": "test-ok", "prompt": "x"}
PATH = CHAT.decode()


@pytest.fixture
def folder(provider: Provider, tmp_path: Path) -> Iterator[Path]:
    write_config(tmp_path, provider)
    provider.go_on.clear()
    yield tmp_path
    provider.go_on.set()


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def told_with_code_2(folder: Path, *words: str, arguments: tuple[str, ...] = ()) -> None:
    done = callgate(folder, "serve", "--port", "0", *arguments)
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    for word in words:
        assert word in done.stderr
    assert "Traceback" not in done.stderr


# --- the start ----------------------------------------------------------------------------------


def test_the_first_start_prints_a_line_to_paste_and_later_ones_keep_the_keys(folder: Path) -> None:
    with serving(folder, key=False, afresh=True) as gateway:
        assert gateway.process.stdout is not None
        line = gateway.process.stdout.readline()
        command = shlex.split(line.removeprefix("Try: "))
        assert command[0] == "curl"
        url = next(word for word in command if word.startswith("http"))
        headers = dict(word.split(": ") for word in command if ": " in word and word[0] != "{")
        data = command[command.index("-d") + 1]
        pasted = httpx.post(url, headers=headers, content=data, timeout=PATIENCE)
        assert pasted.status_code == 200, pasted.text
    with serving(folder, key=False, afresh=True) as again:
        answer = httpx.post(again.url + PATH, json=ASKED, headers=headers, timeout=PATIENCE)
        assert answer.status_code == 200
        again.process.terminate()
        assert again.process.wait(PATIENCE) == 0
        assert again.process.stdout is not None
        assert again.process.stdout.read() == ""  # no second key


def test_a_second_gateway_on_a_data_folder_is_refused_unless_it_is_to_turn_callers_over(
    gateway: Gateway,
) -> None:
    pid = f"process {gateway.process.pid} on "
    told_with_code_2(gateway.folder, "another gateway serves", pid, gateway.url, "--beside")
    with serving(gateway.folder, "--beside", key=False, afresh=True) as second:
        answer = httpx.get(f"{second.url}/health", timeout=PATIENCE)
        assert answer.status_code == 200


def test_a_journal_that_cannot_be_written_is_told_before_anybody_is_listened_to(
    tmp_path: Path,
) -> None:
    (tmp_path / "callgate.toml").write_text("[providers.openai]\napi_key = 'k'\n")
    (tmp_path / "callgate-data").mkdir()
    (tmp_path / "callgate-data" / "journal").touch()
    told_with_code_2(tmp_path, "cannot write the journal", "data_dir")


def test_a_port_that_is_taken(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        told_with_code_2(folder, port, "already in use", "--port", arguments=("--port", port))


def test_a_gateway_with_nothing_to_serve_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "callgate.toml").write_text("region = 'us'\n")
    told_with_code_2(tmp_path, "no model can be served", "callgate.toml leads to none", "Add")


def test_a_host_that_does_not_exist(folder: Path) -> None:
    arguments = ("--host", "nowhere.invalid")
    told_with_code_2(folder, "nowhere.invalid", "server.host", arguments=arguments)


def test_a_store_that_cannot_be_used_is_told_before_weights_are_fetched(tmp_path: Path) -> None:
    text = "data_dir = '/proc/nothing'\n[providers.local]\ndialect = 'local'\n"
    (tmp_path / "callgate.toml").write_text(text)
    told_with_code_2(tmp_path, "cannot open the store", "store.url")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server\n", ("not TOML", "line 1")),
        ("[server]\nporrt = 1\n", ("server.porrt", "did you mean 'port'")),
        ("[server]\nport = 'x'\nworkers = 0\n", ("server.port", "server.workers")),
        ("[providers.openai]\napi_key = '${NOT_SET_ANYWHERE}'\n", ("NOT_SET_ANYWHERE", "api_key")),
    ],
    ids=range(4),
)
def test_a_configuration_with_mistakes_stops_the_start_and_names_them(
    tmp_path: Path, text: str, words: tuple[str, ...]
) -> None:
    (tmp_path / "callgate.toml").write_text(text)
    told_with_code_2(tmp_path, *words)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    told_with_code_2(tmp_path, "callgate.toml", "No such file")


# --- the end ------------------------------------------------------------------------------------


def drains(folder: Path, seconds: float) -> None:
    """Set how long requests in progress have at the end."""
    config = folder / "callgate.toml"
    config.write_text(config.read_text().replace("drain = 2", f"drain = {seconds}"))


def begin_stream(gateway: Gateway, connection: socket.socket) -> bytes:
    body = b'{"model": "test-paused", "prompt": "x", "stream": true}'
    connection.sendall(post(gateway, body, close=False))
    received = b""
    while WORDS[0].encode() not in received:
        received += connection.recv(4096)
    return received


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stream_in_progress_is_finished_first(
    folder: Path, provider: Provider, number: signal.Signals
) -> None:
    drains(folder, 60)
    with serving(folder, afresh=True) as gateway, connected(gateway) as connection:
        received = begin_stream(gateway, connection)
        gateway.process.send_signal(number)
        until(lambda: refused(gateway))  # whoever comes now is told at once, not left to wait
        assert gateway.process.poll() is None
        provider.go_on.set()
        (answer,) = answers(received + drain(connection))
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert WORDS[-1].encode() in answer.body
        assert gateway.process.wait(PATIENCE) == 0
        assert gateway.record(answer.headers["x-request-id"])["status"] == 200


def refused(gateway: Gateway) -> bool:
    host, port = gateway.url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


def test_what_outlasts_the_end_is_told_so(folder: Path, provider: Provider) -> None:
    silent = b'{"model": "test-silent", "prompt": "outlasts the end"}'
    drains(folder, 1)
    with serving(folder, afresh=True) as gateway:
        with connected(gateway) as streaming, connected(gateway) as waiting:
            received = begin_stream(gateway, streaming)
            waiting.sendall(post(gateway, silent, close=False))
            until(lambda: any("outlasts the end" in str(body) for _, body in provider.requests))
            gateway.process.terminate()
            (whole,) = answers(drain(waiting))
            (stream,) = answers(received + drain(streaming))
        assert gateway.process.wait(PATIENCE) == 0
        assert (whole.status, whole.error) == (503, "overloaded")
        assert int(whole.headers["retry-after"]) >= 1
        last = json.loads(stream.body.split(b"data: ")[-1])
        assert last["error"]["type"] == "overloaded"
        assert b"[DONE]" not in stream.body
        for answer in (whole, stream):
            record = gateway.record(answer.headers["x-request-id"])
            assert (record["error"], record["status"]) == ("overloaded", 503)
            assert [one["error"] for one in record["attempts"]] == ["overloaded"]
        assert "Traceback" not in gateway.log


def test_idle_connections_do_not_hold_up_the_end(folder: Path) -> None:
    drains(folder, 600)
    with serving(folder, afresh=True) as gateway, gateway.client() as client:
        assert client.post(PATH, json=ASKED).status_code == 200
        gateway.process.terminate()
        assert gateway.process.wait(PATIENCE) == 0  # far from what a request would be given


def test_no_process_outlives_its_supervisor(folder: Path) -> None:
    with serving(folder, "--workers", "2", afresh=True) as gateway:
        until(lambda: len(children(gateway.process.pid)) == 3)  # two workers and the clerk
        with gateway.client() as client:
            assert client.post(PATH, json=ASKED).status_code == 200
        orphans = children(gateway.process.pid)
        gateway.process.kill()
        until(lambda: not any(map(alive, orphans)))


def test_nor_one_that_is_only_just_being_born(folder: Path) -> None:
    with serving(folder, afresh=True) as gateway:
        until(lambda: len(children(gateway.process.pid)) == 2)
        orphans = children(gateway.process.pid)
        gateway.process.kill()
        until(lambda: not any(map(alive, orphans)))


# --- what it says -------------------------------------------------------------------------------


def test_every_line_of_the_log_is_json(folder: Path) -> None:
    with serving(folder, afresh=True) as gateway:
        with gateway.client() as client:
            refusal = client.post(PATH, json={**ASKED, "model": "test-bad-key"})
            assert refusal.status_code == 502
        with connected(gateway) as connection:
            connection.sendall(b"NONSENSE\r\n\r\n")
            drain(connection)
        os.kill(children(gateway.process.pid)[0], signal.SIGKILL)
        until(lambda: "restarting worker 1" in gateway.log)
        with connected(gateway) as connection:
            connection.sendall(post(gateway, HELLO))
            (answer,) = answers(drain(connection))
            assert answer.status == 200
        gateway.process.terminate()
        assert gateway.process.wait(PATIENCE) == 0
    lines = [json.loads(line) for line in gateway.log.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    assert refusal.headers["x-request-id"] in {line.get("request_id") for line in lines}
    assert any(line["logger"] == "callgate.supervisor" for line in lines)


def test_it_says_where_it_listens_and_as_what(folder: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "callgate", "serve", "--host", "::1", "--port", "0"],
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.skip("this machine has no IPv6")
        found = re.search(r"(http://\[::1\]:\d+) \(region us, \d+ models, process (\d+)\)", line)
        assert found, line
        assert int(found[2]) == process.pid
        assert httpx.get(f"{found[1]}/health", trust_env=False, timeout=PATIENCE).json() == {
            "status": "ok"
        }
        process.terminate()
        assert process.wait(PATIENCE) == 0
