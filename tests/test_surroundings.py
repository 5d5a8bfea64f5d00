"""What of the machine and of whoever runs the tests must not reach them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHOW = "import conftest, json, os; print(json.dumps(dict(os.environ)))"
OTHERS = (
    "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "no_proxy", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE",
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "XAI_API_KEY", "AWS_PROFILE", "PGHOST", "CALLGATE_KEY",
    "GRADIENT_MODEL_ACCESS_KEY",
    "GOOGLE_APPLICATION_CREDENTIALS", "OTEL_EXPORTER_OTLP_ENDPOINT",
)  # fmt: skip
OURS = ("CALLGATE_TEST_WEIGHTS", "CALLGATE_RECORDINGS", "TMPDIR", "PIP_INDEX_URL", "TZ")


def test_no_long_path_keeps_the_tests_servers_from_their_sockets(tmp_path: Path) -> None:
    long = tmp_path / ("long" * 20)
    long.mkdir()
    assert started_with({"TMPDIR": str(long)})["TMPDIR"] == "/tmp"


def test_no_proxy_and_no_real_key_reaches_a_test() -> None:
    found = started_with(dict.fromkeys((*OTHERS, *OURS), "set outside"))
    assert not found.keys() & set(OTHERS)
    assert found.keys() >= set(OURS)


@pytest.mark.skipif(shutil.which("make") is None, reason="make is not on the PATH")
def test_a_python_that_was_named_and_cannot_be_used_is_replaced_by_no_other(tmp_path: Path) -> None:
    made = tmp_path / "environment"
    done = subprocess.run(
        ["make", f"VENV={made}", "PYTHON=/no such/python3", f"{made}/bin/python"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        check=False,
        text=True,
    )
    assert done.returncode != 0
    assert "No usable Python 3.11 or newer among '/no such/python3'" in done.stderr
    assert not made.exists()


def started_with(given: dict[str, str]) -> dict[str, str]:
    """The environment that tests have where this is set."""
    done = subprocess.run(
        [sys.executable, "-c", SHOW],
        cwd=Path(__file__).parent,
        env={**os.environ, **given},
        capture_output=True,
        check=True,
    )
    return dict(json.loads(done.stdout))
