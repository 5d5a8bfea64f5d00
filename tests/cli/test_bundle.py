"""`callgate bundle`, from a store full of planted secrets to an archive that holds none."""

from __future__ import annotations

import asyncio
import json
import os
import zipfile
from pathlib import Path

import pytest

from callgate.core.ids import uuid7
from callgate.core.record import Attempt, Record
from callgate.support.leaks import Leak
from loopserver import in_thread

from .conftest import Home

NOW = 1_795_000_000_000
PLANTED = ("sk-planted-provider-key", "AKIAIOSFODNN7EXAMPLE", "cg_us_GWhfAKnXdlgXKI3izInf7Hhooj602")
SAID = f"wrong key {PLANTED[0]}, {PLANTED[1]} and {PLANTED[2]}"


def record(at: int, status: int = 502, error: str | None = "upstream_cut") -> Record:
    return Record(
        request_id=uuid7(at, os.urandom(10)), time=at, region="us", method="POST",
        path="/v1/chat/completions", status=status, account="acme", model="gpt-4.1",
        error=error, message=SAID, detail=SAID, user_agent=SAID, notes=[SAID],
        attempts=[Attempt(model="gpt-4.1", provider="openai", deployment="openai/gpt-4.1",
                          upstream_model="gpt-4.1", host="h", started_us=1, body=SAID)],
    )  # fmt: skip


def unzipped(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_bundle_is_made_and_checked(home: Home, tmp_path: Path) -> None:
    records = [record(NOW), record(NOW + 1000), record(NOW + 2000, 200, None)]
    home.ship(*records)
    file = tmp_path / "support.zip"
    result = home.run("bundle", records[0].request_id, "-o", str(file))
    assert result.exit_code == 0, result.output
    assert file.stat().st_mode & 0o777 == 0o600
    files = unzipped(file)
    for name, content in files.items():
        for secret in PLANTED:
            assert secret.encode() not in content, name
    folder = f"requests/{records[0].request_id}/"
    assert {
        "manifest.json", "versions.json", "configuration.json", "overrides.json", "health.json",
    } <= set(files)  # fmt: skip
    assert {folder + "record.json", folder + "reproduce.sh", folder + "story.txt"} <= set(files)
    counts = json.loads(files[folder + "five-minutes.json"])
    assert {(one["status"], one["calls"]) for one in counts} == {(502, 2), (200, 1)}
    providers = json.loads(files["configuration.json"])["providers"]
    assert providers["openai"]["api_key"] == "[redacted]"
    checked = home.run("bundle", "--check", str(file))
    assert checked.exit_code == 0, checked.output
    assert "no known secret" in checked.stdout


def test_what_slipped_in_is_found(home: Home, tmp_path: Path) -> None:
    home.ship(one := record(NOW))
    file = tmp_path / "support.zip"
    assert home.run("bundle", one.request_id, "-o", str(file)).exit_code == 0
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("note.txt", f"by the way:\n{SAID}")
    checked = home.run("bundle", "--check", str(file))
    assert checked.exit_code == 1
    assert "note.txt:2: a known secret" in checked.stdout
    assert PLANTED[0] not in checked.output
    told = home.run("bundle", "--check", str(file), "--json")
    leak = {"file": "note.txt", "line": 2, "kind": "a known secret"}
    assert (told.exit_code, leak in map(json.loads, told.stdout.splitlines())) == (1, True)
    assert home.run("bundle", "--check", str(tmp_path / "none.zip")).exit_code == 1
    (tmp_path / "bad.zip").write_bytes(b"PK")
    assert (
        "not a valid zip archive" in home.run("bundle", "--check", str(tmp_path / "bad.zip")).stderr
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [(("--status", "5xx"), 2), (("--since", "5200w"), 2), (("--status", "200"), 1)],
)
def test_requests_are_chosen_by_time_and_status(
    home: Home, tmp_path: Path, arguments: tuple[str, ...], expected: int
) -> None:
    home.ship(record(NOW), record(NOW + 1), record(NOW + 2, 200, None))
    made = home.json("bundle", *arguments, "-o", str(tmp_path / "support.zip"))
    assert made[0]["requests"] == expected


def test_payloads_that_were_not_captured_are_told(home: Home, tmp_path: Path) -> None:
    home.ship(one := record(NOW))
    result = home.run("bundle", one.request_id, "--with-payload", "-o", str(tmp_path / "s.zip"))
    assert result.exit_code == 0
    assert "it was not captured" in result.stderr


def test_nothing_is_made_of_nothing(home: Home) -> None:
    home.ship(record(NOW, 200, None))
    assert home.run("bundle").exit_code == 2
    assert home.run("bundle", "--status", "503").exit_code == 1
    assert not Path("support.zip").exists()


def test_a_bundle_that_would_hold_a_secret_is_not_written(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home.ship(one := record(NOW))
    monkeypatch.setattr("callgate.cli.bundle.examine", lambda *_: [Leak("x.txt", 3, "a secret")])
    result = home.run("bundle", one.request_id, "-o", str(tmp_path / "s.zip"))
    assert result.exit_code == 1
    assert "the bundle would contain secrets: x.txt: a secret" in result.stderr
    assert not (tmp_path / "s.zip").exists()


def test_a_place_that_cannot_be_written_is_named(home: Home, tmp_path: Path) -> None:
    home.ship(one := record(NOW))
    result = home.run("bundle", one.request_id, "-o", str(tmp_path / "none" / "s.zip"))
    assert result.exit_code == 1
    assert "s.zip: No such file or directory" in result.stderr


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (b'{"status": "degraded", "problems": []}', {"from": "GET /ready", "status": "degraded"}),
        (b'["another server"]', {"from": "callgate check --offline; the gateway did not answer"}),
    ],
    ids=["gateway", "stranger"],
)
def test_the_health_is_the_running_gateways_own(
    home: Home, tmp_path: Path, answer: bytes, told: dict[str, str]
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(answer), answer))
        writer.close()

    home.ship(one := record(NOW))
    file = tmp_path / "s.zip"
    with in_thread(serve) as port:
        home.config.write_text(f"{home.config.read_text()}[server]\nport = {port}\n")
        assert home.run("bundle", one.request_id, "-o", str(file)).exit_code == 0
    health = json.loads(unzipped(file)["health.json"])
    assert told.items() <= health.items()
