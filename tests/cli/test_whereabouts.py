"""Where commands look for the running gateway."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest

from callgate.cli.whereabouts import gateway_url, running_url, words
from callgate.config import Config, load

from .holding import held

NODE = platform.node()
ME = f"process {os.getpid()} on {NODE}, which listens on "


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "callgate.toml"
    file.write_text("[server]\nhost = '::1'\nport = 4711\n[providers.openai]\napi_key = 'x'\n")
    (tmp_path / "callgate-data").mkdir()
    return load(file, {})


@pytest.mark.parametrize(
    ("said", "url"),
    [
        (words("http://127.0.0.1:9001"), "http://127.0.0.1:9001"),
        (f"{ME}http://0.0.0.0:9001", "http://127.0.0.1:9001"),
        (f"{ME}http://[::]:9001", "http://127.0.0.1:9001"),
        (f"{ME}http://[fd00::1]:9001\n", "http://[fd00::1]:9001"),
        (f"process {os.getpid()} on not-{NODE}, which listens on http://a:1", "http://[::1]:4711"),
        ("another process", "http://[::1]:4711"),
        (f"{ME}http://[fd00::1", "http://[::1]:4711"),
        (f"{ME}http://127.0.0.1:", "http://[::1]:4711"),
        ("", "http://[::1]:4711"),
    ],
    ids=range(9),
)
def test_the_gateways_own_words_count_where_it_runs(config: Config, said: str, url: str) -> None:
    with held(config.data_dir, said):
        assert gateway_url(config) == url


def test_else_the_configuration_counts(config: Config) -> None:
    assert gateway_url(config) == "http://[::1]:4711"
    # Left by one that has ended. A process has its number now: in a container, always.
    (config.data_dir / "gateway.lock").write_text(words("http://127.0.0.1:9001"))
    assert gateway_url(config) == "http://[::1]:4711"
    assert running_url(config) is None
