"""`kill -9` of every process under load: whoever got an answer finds its record afterwards."""

from __future__ import annotations

import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from callgate.store.base import Query
from callgate.store.journal.unshipped import scan
from callgate.store.opening import open_store
from gateway import Gateway, serving, until, write_config
from patience import PATIENCE
from provider import Provider

ROUNDS = 20
CLIENTS = 4
CHAT = "/v1/chat/completions"


def ask_until_killed(gateway: Gateway, received: list[str], stop: threading.Event) -> None:
    asked = {"model": "test-ok", "prompt": "x"}
    with gateway.client() as client:
        while not stop.is_set():
            asked["stream"] = not asked.get("stream", False)  # type: ignore[assignment]
            try:
                answer = client.post(CHAT, json=asked)
            except httpx.HTTPError:
                return  # killed amid a response: nothing was promised
            if answer.status_code != 200:
                continue
            if not asked["stream"] or answer.text.endswith("data: [DONE]\n\n"):
                received.append(answer.headers["x-request-id"])


@pytest.mark.parametrize("workers", [1, 2])
def test_no_record_is_lost_and_none_is_twice(
    provider: Provider, tmp_path: Path, workers: int
) -> None:
    write_config(tmp_path, provider)
    chance = random.Random(workers)
    received: list[str] = []
    for _ in range(ROUNDS // 2):
        stop = threading.Event()
        with (
            serving(tmp_path, "--workers", str(workers)) as gateway,
            ThreadPoolExecutor(CLIENTS) as pool,
            ExitStack() as at_end,  # or a failure would wait for clients that ask for ever
        ):
            at_end.callback(stop.set)
            asking = [
                pool.submit(ask_until_killed, gateway, received, stop) for _ in range(CLIENTS)
            ]
            known = len(received)
            until(lambda: len(received) > known)  # noqa: B023 - called at once
            time.sleep(chance.uniform(0.0, 0.3))  # the random moment
            gateway.kill_everything()
            stop.set()
            for one in asking:
                one.result(PATIENCE)
    assert len(received) > ROUNDS
    with serving(tmp_path) as gateway:
        stored = wait_until_shipped(tmp_path)
    assert len(stored) == len(set(stored))
    assert set(received) <= set(stored)


def wait_until_shipped(folder: Path) -> list[str]:
    """Every id in the store, once the journals are empty."""
    journal = folder / "callgate-data" / "journal"
    deadline = time.monotonic() + PATIENCE
    while any(True for _ in scan(journal)):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    with closing(open_store(f"sqlite:///{folder / 'callgate-data' / 'callgate.db'}")) as store:
        return [record.request_id for record in store.requests.find(Query(limit=1_000_000))]


def test_a_fallen_worker_is_replaced(provider: Provider, tmp_path: Path) -> None:
    import os
    import signal

    from gateway import children

    write_config(tmp_path, provider)
    with serving(tmp_path) as gateway:
        with gateway.client() as client:
            first = client.post(CHAT, json={"model": "test-ok", "prompt": "x"})
        worker = children(gateway.process.pid)[0]
        os.kill(worker, signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                answer = httpx.post(
                    gateway.url + CHAT,
                    json={"model": "test-ok", "prompt": "x"},
                    headers={"authorization": gateway.key},
                    timeout=PATIENCE,
                    verify=False,
                )
                break
            except httpx.HTTPError:
                assert time.monotonic() < deadline
        assert answer.status_code == 200
        assert worker not in children(gateway.process.pid)
        assert json.loads(gateway.run("show", first.headers["x-request-id"], "--json").stdout)
