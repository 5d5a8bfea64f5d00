"""A worker that hangs is killed and replaced, and what it had recorded is not lost."""

from __future__ import annotations

import json
import os
import signal
from contextlib import closing, suppress
from pathlib import Path

import httpx

from callgate.store.opening import open_store
from gateway import children, serving, until, write_config
from provider import Provider

CHAT = "/v1/chat/completions"
ASKED = {"model": "test-ok", "prompt": "x"}


def test_a_worker_that_stands_still_is_replaced_and_its_journal_shipped(
    provider: Provider, tmp_path: Path
) -> None:
    write_config(tmp_path, provider)
    path = tmp_path / "callgate.toml"
    path.write_text(path.read_text().replace("[server]\n", "[server]\nhang_timeout = 2\n"))
    with serving(tmp_path) as gateway, gateway.client() as client:
        recorded = client.post(CHAT, json=ASKED).headers["x-request-id"]
        worker, clerk = children(gateway.process.pid)
        os.kill(worker, signal.SIGSTOP)

        def answered() -> bool:
            with suppress(httpx.TimeoutException):
                return client.post(CHAT, json=ASKED, timeout=1).status_code == 200
            return False

        until(answered)
        assert worker not in children(gateway.process.pid)
        assert clerk in children(gateway.process.pid)
        with closing(
            open_store(f"sqlite:///{tmp_path / 'callgate-data' / 'callgate.db'}")
        ) as store:
            until(lambda: store.requests.get(recorded) is not None)
        (line,) = [json.loads(line) for line in gateway.log.splitlines() if "hangs" in line]
    assert line["message"] == "worker 1 hangs: it has shown no life for 2 s, and is killed"
    assert line["pid"] == worker
    assert line["state"] == "stopped by a signal"
