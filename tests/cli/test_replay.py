"""`callgate replay`, where there is nothing that it could run."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from callgate.capture import files
from callgate.core.captured import Caller, Captured

from .conftest import Home

IDS = ("01a0b1c2-d3e4-7000-8000-00000000000a", "01a0b1c2-d3e4-7000-8000-00000000000b")


def kept(home: Home, request_id: str) -> Path:
    captured = Captured(
        gateway="1", machine="m", request_id=request_id, arrived=0.0, method="POST",
        path="/v1/chat/completions", caller=Caller(id="key_1", account="acme"), headers=[],
        body=b"{}", status=200, answer_headers=[], pieces=[], ended=True, cut=False, exchanges=[],
        windows=[], out=[], models=[], names=[], absent=[], settings=b"{}", record=b"{}",
    )  # fmt: skip
    return files.write(home.data / "captures", captured)


def test_a_beginning_that_several_captures_share_is_not_guessed_from(home: Home) -> None:
    for one in IDS:
        kept(home, one)
    result = home.run("replay", IDS[0][:-1], "--recorded")
    assert result.exit_code == 1
    assert f"2 captures begin with {IDS[0][:-1]}" in result.stderr


def test_a_damaged_capture_is_told(home: Home) -> None:
    path = kept(home, IDS[0])
    path.write_bytes(path.read_bytes()[:-9])
    result = home.run("replay", str(path), "--recorded")
    assert result.exit_code == 1
    assert f"{path} cannot be read" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    "arguments",
    [("--recorded", "--model", "other"), ("--key", "k", "--url", "ftp://h"), ()],
    ids=["recorded", "url", "no-key"],
)
def test_what_contradicts_itself_is_a_wrong_use(home: Home, arguments: tuple[str, ...]) -> None:
    kept(home, IDS[0])
    assert home.run("replay", IDS[0], *arguments).exit_code == 2


def test_a_gateway_that_is_not_there_is_told_without_the_password_of_its_url(home: Home) -> None:
    kept(home, IDS[0])
    with socket.socket() as silent:  # has the port, and does not listen
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        result = home.run(
            "replay", IDS[0], "--key", "k", "--url", f"http://me:hidden-pw@127.0.0.1:{port}"
        )
    assert result.exit_code == 1
    assert f"127.0.0.1:{port} does not answer: ConnectionRefusedError" in result.stderr
    assert "hidden-pw" not in result.output
