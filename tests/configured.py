"""Configurations for tests, read from a file as the command line reads them."""

from __future__ import annotations

from pathlib import Path

import pytest

from callgate.config import Config, ConfigError, load

OPENAI = '[providers.openai]\napi_key = "${OPENAI_API_KEY}"\n'
ENVIRON = {"OPENAI_API_KEY": "sk-test-of-the-configuration"}
LOCAL_VENDOR = '[providers.mine]\ndialect = "openai"\nbase_url = "http://127.0.0.1:9/v1"\n'


def loaded(folder: Path, text: str, environ: dict[str, str] | None = None) -> Config:
    file = folder / "callgate.toml"
    file.write_text(text)
    return load(file, ENVIRON if environ is None else environ)


def mistakes(folder: Path, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        loaded(folder, text, environ)
    assert all(line.startswith(str(folder)) for line in str(caught.value).splitlines())
    return caught.value.mistakes
