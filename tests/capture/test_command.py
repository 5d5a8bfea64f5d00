"""`callgate replay`: live, from the recorded bytes, and as a test of its own."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from callgate.capture import files
from callgate.cli.main import callgate
from callgate.core.captured import Captured, Piece
from callgate.core.record import Record
from gateway import Gateway


def run(gateway: Gateway, *arguments: str, env: dict[str, str] | None = None) -> Result:
    config = str(gateway.folder / "callgate.toml")
    variables = {"COLUMNS": "100", "TEST_PROVIDER_KEY": "x", **(env or {})}
    return CliRunner(env=variables).invoke(callgate, ["replay", *arguments, "--config", config])


def found(captures: list[Path], model: str) -> Captured:
    for path in captures:
        captured = files.read(path)
        record = msgspec.json.decode(captured.record, type=Record)
        if record.model == model and not record.stream:
            return captured
    raise AssertionError(model)


def test_a_recorded_replay_says_that_nothing_has_changed(
    capturing: Gateway, captures: list[Path]
) -> None:
    captured = found(captures, "openai-context-too-long")
    result = run(capturing, captured.request_id, "--recorded")
    assert result.exit_code == 0, result.output
    assert "the same, byte for byte but ids and times: status 400" in result.stdout
    again = run(capturing, captured.request_id[:23], "--recorded", "--json")
    assert json.loads(again.stdout)["same"] is True


def test_a_live_replay_asks_the_gateway_and_another_model(
    capturing: Gateway, captures: list[Path]
) -> None:
    captured = found(captures, "openai-ok")
    at = ("--url", capturing.url)
    result = run(capturing, captured.request_id, *at, env={"CALLGATE_KEY": capturing.key})
    assert result.exit_code == 0, result.output
    assert "replayed as 01" in result.stdout
    other = run(
        capturing, captured.request_id, *at, "--key", capturing.key,
        "--model", "plain-missing", "--json",
    )  # fmt: skip
    assert other.exit_code == 1
    told = json.loads(other.stdout)
    assert told["recorded"]["status"] == 200
    assert told["now"]["error"] == "provider_model_missing"
    assert {"status", "text", "error"} <= set(told["differences"])


def test_a_capture_becomes_a_test_that_fails_when_the_behaviour_changes(
    capturing: Gateway, captures: list[Path], tmp_path: Path
) -> None:
    captured = found(captures, "plain-ok")
    result = run(capturing, captured.request_id, "--as-test", "--directory", str(tmp_path))
    assert result.exit_code == 0, result.output
    (test,) = tmp_path.glob("test_*.py")
    capture = tmp_path / f"{captured.request_id}.capture"
    run_test(test)
    exchange = captured.exchanges[0]
    data = exchange.pieces[0].data.replace(b"Hello", b"Howdy")
    exchange.pieces = [Piece(0, data)]
    files.write(tmp_path / "changed", captured)
    capture.write_bytes((tmp_path / "changed" / files.place(captured.request_id)).read_bytes())
    with pytest.raises(AssertionError):
        run_test(test)
    assert run(capturing, str(capture), "--recorded").exit_code == 1
    twice = run(capturing, captured.request_id, "--as-test", "--directory", str(tmp_path))
    assert twice.exit_code == 1
    assert "is there already" in twice.stderr


def run_test(path: Path) -> None:
    """What pytest would run of the file."""
    found = [
        one for name, one in runpy.run_path(str(path)).items() if name.startswith("test_request_")
    ]
    assert len(found) == 1
    found[0]()


def test_what_is_not_there_is_told(capturing: Gateway) -> None:
    unknown = "01a20686-3f67-7ef8-921a-7bc0d66a0204"
    for wanted in (unknown, "01a20686-3f", "nonsense"):
        result = run(capturing, wanted, "--recorded")
        assert result.exit_code == 1
        assert "there is no capture of" in result.stderr
        assert "X-Callgate-Capture: full" in result.stderr
    assert run(capturing, unknown, "--recorded", "--model", "x").exit_code in (1, 2)


def test_without_a_key_nobody_is_asked(capturing: Gateway, captures: list[Path]) -> None:
    result = run(capturing, found(captures, "plain-ok").request_id)
    assert result.exit_code == 2
    assert "--key or CALLGATE_KEY" in result.stderr
