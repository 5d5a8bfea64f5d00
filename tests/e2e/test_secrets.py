"""Planted secrets: they are nowhere but where they have to be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import provider as providers
from gateway import PROVIDER_KEY, serving, write_config

CHAT = "/v1/chat/completions"
ONCE = {"fallback_config": {"retry": False}}


def test_no_secret_is_in_any_file_log_or_error(tmp_path: Path) -> None:
    with providers.running() as provider:
        write_config(tmp_path, provider, wait=0.5)
        with serving(tmp_path) as gateway:
            said: list[str] = []
            with gateway.client() as client:
                for name in providers.ANSWERS:
                    if name in ("endless", "held"):
                        continue
                    for stream in (False, True):
                        asked = {"model": f"test-{name}", "prompt": "x", "stream": stream, **ONCE}
                        said.append(client.post(CHAT, json=asked).text)
                query = client.post(f"{CHAT}?api_key={gateway.key}", json={})
                said.append(query.text)
                bad = {"authorization": f"Basic {gateway.key}", "x-api-key": gateway.key}
                said.append(client.post(CHAT, json={}, headers=bad).text)
                said.append(client.get(f"/{gateway.key}?key={gateway.key}").text)
                said.append(client.get(f"/v1/models/{gateway.key}").text)
                mislaid: list[dict[str, Any]] = [
                    {"model": gateway.key, "prompt": "x", "user": gateway.key},
                    {"model": "test-ok", "prompt": "x", "fallback_config": {gateway.key: 1}},
                    {"model": "test-ok", "messages": [{"role": gateway.key}], "n": gateway.key},
                ]
                said += [client.post(CHAT, json=body).text for body in mislaid]
                passed = {"model": "test-ok", "prompt": "x", "user": gateway.key, "stream": True}
                assert client.post(CHAT, json=passed).status_code == 200
            commands = (("logs", "--json"), ("logs",), ("keys", "list"), ("models",))
            said += [gateway.run(*command).stdout for command in commands]
            key = gateway.key
        said.append(gateway.log)
    assert any("provider_credentials" in text for text in said)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in files)
    for path in files:
        data = path.read_bytes()
        assert PROVIDER_KEY.encode() not in data, path
        assert key.encode() not in data, path
    for text in said:
        assert PROVIDER_KEY not in text
        assert key not in text
    assert json.loads(said[0])["choices"]
