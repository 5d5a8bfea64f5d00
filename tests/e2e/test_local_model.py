"""A real model's answers through a real gateway that needs no configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from callgate.local.model import SMOLLM2, installed
from gateway import Gateway, children, environment, serving, until
from patience import PATIENCE
from wire import CHAT

pytestmark = pytest.mark.skipif(not installed(), reason="the extra `local` is not installed")
ASKED = {
    "model": SMOLLM2.name,
    "messages": [{"role": "user", "content": "Name three fruits."}],
    "max_tokens": 24,
    "temperature": 0,
}
PATH = CHAT.decode()


def put_weights(folder: Path, weights: Path) -> None:
    data = folder / "callgate-data"
    data.mkdir()
    (data / weights.name).symlink_to(weights)


@pytest.fixture(scope="module")
def gateway(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Started in a folder without a callgate.toml."""
    folder = tmp_path_factory.mktemp("local")
    put_weights(folder, weights)
    with serving(folder) as running:
        yield running


def test_a_model_answers(gateway: Gateway) -> None:
    with gateway.client() as client:
        response = client.post(PATH, json=ASKED)
    body = response.json()
    assert response.status_code == 200, body
    assert len(body["choices"][0]["message"]["content"]) > 10
    assert body["choices"][0]["finish_reason"] in ("stop", "length")
    assert 0 < body["usage"]["completion_tokens"] <= 24
    assert body["usage"]["prompt_tokens"] > 5
    assert response.headers["x-ratelimit-limit"] == "30"


def test_a_model_streams_and_its_story_is_told(gateway: Gateway) -> None:
    asked = {**ASKED, "stream": True, "stream_options": {"include_usage": True}}
    with gateway.client() as client, client.stream("POST", PATH, json=asked) as response:
        assert response.status_code == 200
        events = [line[6:] for line in response.iter_lines() if line.startswith("data: ")]
    assert events.pop() == "[DONE]"
    chunks = [json.loads(event) for event in events]
    text = "".join(c["choices"][0]["delta"].get("content") or "" for c in chunks if c["choices"])
    assert len(text) > 10
    assert len(chunks) > 5
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    request_id = response.headers["x-request-id"]
    assert {chunk["request_id"] for chunk in chunks} == {request_id}
    shown = show(gateway, request_id)
    assert shown["provider"] == "local"
    assert shown["usage"]["output_tokens"] == chunks[-1]["usage"]["completion_tokens"]
    assert shown["attempts"][0]["decision"] == "done"
    told = subprocess.run(
        [sys.executable, "-m", "callgate", "show", request_id],
        cwd=gateway.folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE,
        check=True,
    ).stdout  # fmt: skip
    assert request_id in told
    assert SMOLLM2.name in told


def show(gateway: Gateway, request_id: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "callgate", "show", request_id, "--json"],
        cwd=gateway.folder, env=environment(), capture_output=True, text=True, timeout=PATIENCE,
        check=True,
    ).stdout  # fmt: skip
    return dict(json.loads(done))


def test_more_than_fits_is_refused_by_the_field(gateway: Gateway) -> None:
    with gateway.client() as client:
        response = client.post(PATH, json={**ASKED, "max_tokens": 10**6})
        assert response.status_code == 400
        assert response.json()["error"]["param"] == "max_tokens"
        long = [{"role": "user", "content": "word " * 50_000}]
        response = client.post(PATH, json={**ASKED, "messages": long})
        assert response.status_code == 400, response.text
        assert response.json()["error"]["type"] == "context_too_long"


def test_a_fallen_model_comes_back(gateway: Gateway) -> None:
    def model() -> list[int]:
        found = []
        for pid in children(gateway.process.pid):
            with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
                if b"callgate.local.server" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    (before,) = model()
    os.kill(before, signal.SIGKILL)
    until(lambda: bool(model()) and before not in model())

    def answered() -> bool:
        time.sleep(0.5)  # the limit is 30 requests a minute
        with gateway.client() as client:
            return client.post(PATH, json=ASKED).status_code == 200

    until(answered, 3 * PATIENCE)  # should it be spent, there is another minute
