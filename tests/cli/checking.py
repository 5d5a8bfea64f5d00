"""`callgate check` run on a configuration, and what it found."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from callgate.cli.main import callgate
from lists import Lists

KEY = "sk-planted-provider-key-000001"
GPT = {"object": "list", "data": [{"id": "gpt-4.1-2025-04-14"}, {"id": "other"}]}
Found = dict[str, dict[str, Any]]
OPENAI = """
catalogue = false
[providers.openai]
api_key = "{key}"
base_url = "{origin}/v1"
[models."gpt-4.1"]
provider = "openai"
"""


def run(folder: Path, text: str, *arguments: str, trusted: str = "") -> Result:
    file = folder / "callgate.toml"
    file.write_text(text)
    environment = {
        "NO_PROXY": "127.0.0.1,localhost",
        "SSL_CERT_FILE": trusted,
        "SSL_CERT_DIR": "",
    }
    return CliRunner(env=environment).invoke(callgate, ["check", "--config", str(file), *arguments])


def findings(result: Result) -> list[dict[str, Any]]:
    assert KEY not in result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def of(result: Result, part: str) -> dict[str, Any]:
    (found,) = [one for one in findings(result) if one["part"] == part]
    assert found.keys() == {"part", "state", "what", "fix"}
    assert bool(found["fix"]) == (found["state"] != "ok")
    return found


def openai(lists: Lists) -> str:
    return OPENAI.format(key=KEY, origin=lists.origin)
