"""Which secrets a configuration holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.config import load
from callgate.config.secrets import secrets_of
from configured import loaded

EVERYWHERE = """
[store]
url = "postgresql://callgate:of%21store@db.example/callgate"
[counters]
url = "redis://:of-counters@redis.example"
[metrics]
token = "of-metrics"
[traces]
endpoint = "https://me:of-collector@traces.example"
headers = { authorization = "of-traces" }
[providers.openai]
api_key = "of-openai"
[providers.bedrock]
api_key = "of-bedrock"
access_key_id = "id-of-bedrock"
session_token = "session-of-bedrock"
[providers.idle]
dialect = "openai"
base_url = "https://idle.example/v1"
api_key = "of-no-model"
[models."gpt-4.1"]
provider = "openai"
"""


def revealed(folder: Path, text: str, environ: dict[str, str]) -> list[str]:
    return sorted(one.reveal() for one in secrets_of(loaded(folder, text, environ)))


def test_every_place_that_holds_a_secret_is_known(tmp_path: Path) -> None:
    environ = {"HTTPS_PROXY": "http://me:of%20proxy@proxy.example:3128"}
    assert revealed(tmp_path, EVERYWHERE, environ) == sorted(
        [
            "of%21store", "of!store", "of-counters", "of-metrics", "of-traces", "of-collector",
            "of-openai", "of-bedrock", "id-of-bedrock", "session-of-bedrock", "of-no-model",
            "of%20proxy", "of proxy", "bWU6b2YgcHJveHk=",
        ]
    )  # fmt: skip


def test_without_a_file_those_of_the_environment_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = load(None, {"MISTRAL_API_KEY": "of-mistral"})
    assert "of-mistral" in {one.reveal() for one in secrets_of(config)}


def test_a_variable_that_was_left_standing_is_no_secret(tmp_path: Path) -> None:
    file = tmp_path / "callgate.toml"
    file.write_text('[providers.openai]\napi_key = "${OPENAI_API_KEY}"\n')
    assert secrets_of(load(file, {}, secrets=False)) == []
