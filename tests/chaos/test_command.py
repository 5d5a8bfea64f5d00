"""`callgate chaos`: what it prints, what it serves, how it ends."""

from __future__ import annotations

import json
import re
import shlex
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

from click.testing import CliRunner

from callgate.chaos.answer import SENTENCE
from callgate.chaos.faults import FAULTS
from callgate.chaos.server import Chaos
from callgate.cli.chaos import BASES, snippet
from callgate.cli.main import callgate
from callgate.config import load
from patience import PATIENCE

from .client import SPEECHES, ask, text

DOCUMENT = Path(__file__).parents[2] / "docs" / "chaos.md"


def test_json_lists_every_fault() -> None:
    result = CliRunner().invoke(callgate, ["chaos", "--json"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["model"] for row in rows] == list(FAULTS)
    assert all(row["tells"] for row in rows)
    stall = next(row for row in rows if row["model"] == "stall")
    assert stall["parameter"] == {"unit": "words", "default": 12, "least": 0, "most": 1000}
    assert next(row for row in rows if row["model"] == "ok")["parameter"] is None


def test_toml_is_a_configuration_with_every_fault(tmp_path: Path) -> None:
    result = CliRunner().invoke(callgate, ["chaos", "--toml", "--port", "9911"])
    assert result.exit_code == 0, result.output
    file = tmp_path / "callgate.toml"
    file.write_text(result.stdout)
    config = load(file, {})
    assert set(FAULTS) <= set(config.models)
    origins = {
        str(deployment.origin)
        for model in config.models.values()
        for deployment in model.deployments
    }
    assert origins == {"http://127.0.0.1:9911"}


def test_each_dialect_has_its_provider() -> None:
    providers = tomllib.loads(snippet("http://127.0.0.1:9900"))["providers"]
    assert [table["dialect"] for table in providers.values()] == list(BASES) == list(SPEECHES)
    for table in providers.values():
        path = SPEECHES[table["dialect"]].path("m", False)
        assert f"http://127.0.0.1:9900{path}".startswith(table["base_url"])


def test_it_introduces_itself_serves_and_ends_by_interrupt() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "callgate", "chaos", "--port", "0", "--pace", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("The chaos upstream listens on ")):
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended before it listened"
        page = "".join(lines)
        port = int(re.search(r":(\d+);", lines[-1])[1])  # type: ignore[index]
        answer = ask(port, "anthropic", "ok", stream=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0
        assert process.stderr.read() == ""
    assert text("anthropic", answer, stream=True) == SENTENCE
    for fault in FAULTS.values():
        assert re.search(
            rf"^{re.escape(fault.shown)} +{re.escape(fault.tells)}", page, re.MULTILINE
        )
    assert snippet(f"http://127.0.0.1:{port}") in page
    curl = shlex.split(next(line for line in lines if line.startswith("Try: curl ")))
    assert f"http://127.0.0.1:{port}/v1/chat/completions" in curl
    assert json.loads(curl[-1])["model"] in FAULTS


def test_a_port_that_is_taken_is_told_with_the_fix(chaos: Chaos) -> None:
    result = CliRunner().invoke(callgate, ["chaos", "--port", str(chaos.port)])
    assert result.exit_code == 2
    assert f"cannot listen on 127.0.0.1 port {chaos.port}" in result.stderr
    assert "--port" in result.stderr
    assert "Traceback" not in result.stderr


def test_every_fault_is_documented() -> None:
    page = DOCUMENT.read_text()
    assert [fault.shown for fault in FAULTS.values() if f"\n| `{fault.shown}` |" not in page] == []
    assert SENTENCE in " ".join(page.replace("\n> ", " ").split())
