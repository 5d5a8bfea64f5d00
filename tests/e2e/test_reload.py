"""SIGHUP: another configuration without a refused connection, a cut stream or a lost record."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway import Gateway, children, serving, until, write_config
from patience import PATIENCE
from provider import Provider
from wire import post, talk

PATH = "/v1/chat/completions"
IN_EFFECT = "the new configuration is in effect"
NEW_MODEL = '[models."brand-new"]\nprovider = "test"\nupstream_model = "test-ok"\n'


@pytest.fixture(scope="module")
def gateway(provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("reload")
    write_config(folder, provider)
    path = folder / "callgate.toml"
    path.write_text(path.read_text().replace("drain = 2", "drain = 60"))
    with serving(folder, "--workers", "2") as running:
        until(lambda: len(children(running.process.pid)) == 3)
        yield running


def change(gateway: Gateway, old: str, new: str) -> None:
    path = gateway.folder / "callgate.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def reload(gateway: Gateway, told: str = IN_EFFECT) -> None:
    before = gateway.log.count(told)
    gateway.process.send_signal(signal.SIGHUP)
    until(lambda: gateway.log.count(told) > before)


def ask(client: httpx.Client, model: str) -> int:
    return client.post(PATH, json={"model": model, "prompt": "x"}).status_code


def test_a_new_configuration_takes_over_under_load(gateway: Gateway, provider: Provider) -> None:
    stop = threading.Event()
    old = set(children(gateway.process.pid))

    def keep_asking(number: int) -> int:
        asked = 0
        with gateway.client() as client:
            while not stop.is_set():
                if number % 2:  # each on a connection of its own
                    answer = httpx.post(
                        f"{gateway.url}{PATH}",
                        headers={"authorization": gateway.key},
                        json={"model": "test-ok", "prompt": "x"},
                        timeout=PATIENCE,
                        verify=False,
                    )
                    assert answer.status_code == 200
                else:
                    assert ask(client, "test-ok") == 200
                asked += 1
        return asked

    raw = http.client.HTTPConnection(gateway.url.removeprefix("http://"), timeout=PATIENCE)

    def ask_raw(body: dict[str, object]) -> http.client.HTTPResponse:
        head = {"authorization": gateway.key, "content-type": "application/json"}
        raw.request("POST", PATH, body=json.dumps(body), headers=head)
        return raw.getresponse()

    with closing(raw), gateway.client() as client, ThreadPoolExecutor(4) as pool:
        assert ask(client, "brand-new") == 404
        stream = ask_raw({"model": "test-paused", "prompt": "x", "stream": True})
        assert b"Hello" in next(line for line in stream if b"Hello" in line)
        asking = [pool.submit(keep_asking, number) for number in range(4)]
        change(gateway, "[models.", NEW_MODEL + "[models.")
        reload(gateway)
        until(lambda: len(old & set(children(gateway.process.pid))) <= 1)
        stop.set()
        assert all(one.result(PATIENCE) > 0 for one in asking)
        # The worker that relays the stream stays until its caller has all of it.
        assert len(old & set(children(gateway.process.pid))) == 1
        provider.go_on.set()
        assert [line for line in stream.read().split(b"\n") if line][-1] == b"data: [DONE]"
        # The head of the stream announced no end: who asks once more on its connection is answered.
        last = ask_raw({"model": "test-ok", "prompt": "x"})
        assert (last.status, last.headers["connection"]) == (200, "close")
        until(lambda: not old & set(children(gateway.process.pid)))
        with gateway.client() as fresh:
            assert ask(fresh, "brand-new") == 200
        assert gateway.record(stream.headers["x-request-id"])["status"] == 200


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("drain = 60", "drain = 0", "server.drain"),
        ("drain = 60", "hang_timeout = 1", "server.hang_timeout"),
        ("[support]", 'region = "eu"\n[support]', "a change of region needs a restart"),
        ("[support]", "[support", "is not TOML"),
        (
            "[support]",
            '[store]\nurl = "sqlite:////proc/none/x.db"\n[support]',
            "cannot open the store /proc/none/x.db",
        ),
    ],
    ids=["mistake", "contradiction", "fixed", "not-toml", "store"],
)
def test_what_cannot_be_used_is_refused_and_the_old_goes_on(
    gateway: Gateway, old: str, new: str, told: str
) -> None:
    path: Path = gateway.folder / "callgate.toml"
    text, before = path.read_text(), set(children(gateway.process.pid))
    try:
        change(gateway, old, new)
        reload(gateway, "the new configuration is refused")
        with gateway.client() as client:
            (finding,) = client.get("/ready").json()["findings"]
        assert finding["part"] == "configuration"
        assert f"{path} changed since" in finding["why"]
    finally:
        path.write_text(text)
    assert told in [line for line in gateway.log.splitlines() if "is refused" in line][-1]
    until(lambda: before == set(children(gateway.process.pid)))
    with gateway.client() as client:
        assert ask(client, "test-ok") == 200
        assert client.get("/ready").json()["findings"] == []


def test_more_and_fewer_workers(provider: Provider, tmp_path: Path) -> None:
    write_config(tmp_path, provider)
    with serving(tmp_path) as gateway:
        for count in (3, 1):
            text = (tmp_path / "callgate.toml").read_text()
            workers = [line for line in text.splitlines() if line.startswith("workers")]
            for line in workers:
                text = text.replace(f"{line}\n", "")
            (tmp_path / "callgate.toml").write_text(
                text.replace("[server]\n", f"[server]\nworkers = {count}\n", 1)
            )
            reload(gateway)
            until(lambda wanted=count: len(children(gateway.process.pid)) == wanted + 1)
        os.kill(children(gateway.process.pid)[0], signal.SIGKILL)
        until(lambda: len(children(gateway.process.pid)) == 2 and "restarting" in gateway.log)


def test_who_asks_through_a_proxy_is_known_from_the_next_reload_on(gateway: Gateway) -> None:
    lines = [
        b"X-Forwarded-For: 192.0.2.66",  # the caller's own invention
        b"x-FORWARDED-for: 203.0.113.9, 127.0.0.3",
        b"x-forwarded-for: 127.0.0.2",
    ]

    def recorded(*extra: bytes) -> dict[str, Any]:
        (answer,) = talk(gateway, post(gateway, b"{}", *extra))
        return gateway.record(answer.headers["x-request-id"])

    assert recorded(*lines)["client"] == "127.0.0.1"
    change(gateway, "drain = 60", 'drain = 60\ntrusted_proxies = ["127.0.0.0/8"]')
    old = set(children(gateway.process.pid))
    reload(gateway)
    until(lambda: not old & set(children(gateway.process.pid)))
    assert recorded(*lines)["client"] == "203.0.113.9"
    assert recorded(*lines[2:])["client"] == "127.0.0.2"
    assert recorded(b"X-Forwarded-For: nobody")["client"] == "127.0.0.1"
    assert recorded()["client"] == "127.0.0.1"
    (sent_ahead, last) = talk(
        gateway,
        post(gateway, b"{}", lines[1], close=False) + post(gateway, b"{}", b"x-forwarded-for: ::7"),
    )
    told = [gateway.record(one.headers["x-request-id"])["client"] for one in (sent_ahead, last)]
    assert told == ["203.0.113.9", "::7"]


def test_the_windows_of_a_single_worker_outlive_a_reload(
    provider: Provider, tmp_path: Path
) -> None:
    write_config(tmp_path, provider, limit=20)
    with serving(tmp_path) as gateway:
        with gateway.client() as client:
            assert {ask(client, "test-ok") for _ in range(15)} == {200}
        old = set(children(gateway.process.pid))
        reload(gateway)
        until(lambda: not old & set(children(gateway.process.pid)))
        until(lambda: not (tmp_path / "callgate-data/limits.windows").exists())
        with gateway.client() as client:
            assert [ask(client, "test-ok") for _ in range(7)] == [200] * 5 + [429] * 2


def test_the_end_during_a_reload_is_an_end_like_any(provider: Provider, tmp_path: Path) -> None:
    write_config(tmp_path, provider)
    path = tmp_path / "callgate.toml"
    path.write_text(path.read_text().replace("drain = 2", "drain = 1"))
    provider.go_on.clear()
    asked = {"model": "test-paused", "prompt": "x", "stream": True}
    with (
        serving(tmp_path) as gateway,
        gateway.client() as client,
        client.stream("POST", PATH, json=asked) as stream,
    ):
        lines = stream.iter_lines()
        assert next(line for line in lines if "Hello" in line)
        reload(gateway)
        gateway.process.terminate()
        told = [line for line in lines if line]
        assert '"overloaded"' in told[-1]
        assert gateway.process.wait(PATIENCE) == 0
        assert gateway.record(stream.headers["x-request-id"])["error"] == "overloaded"
