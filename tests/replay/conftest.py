"""One replaying provider and one gateway for all replays of a process, and the table at the end."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from callgate.config.settings import Settings
from gateway import Gateway, serving

from .records import LANES, RECORDINGS, Recording, lane_of, load, names_of
from .server import Replay, running
from .table import NOTES, ROWS, Row, render

_HEAD = """catalogue = false
[server]
workers = 1
drain = 2
"""
_RETRY = """[retry]
per_target = 1
"""
"""A recording has one answer: asked again, it fails again."""
_PROVIDER = """[providers.{name}]
dialect = "{dialect}"
base_url = "http://127.0.0.1:{port}{prefix}"
api_key = "${{TEST_PROVIDER_KEY}}"
timeouts = {{ connect = 60, headers = 60, first_token = 60, silence = 60, total = 120 }}
"""
_MODEL = """[models."{name}"]
provider = "{provider}"
rate_limit = 1000000
"""


@pytest.fixture(scope="session")
def recordings() -> list[Recording]:
    if not RECORDINGS.exists():
        pytest.skip(f"no recordings at {RECORDINGS}; set CALLGATE_RECORDINGS to their file")
    return load()


@pytest.fixture(scope="session")
def replay(recordings: list[Recording]) -> Iterator[Replay]:
    with running(recordings) as server:
        yield server


@pytest.fixture(scope="session")
def gateway(
    recordings: list[Recording], replay: Replay, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("replay")
    providers = [
        _PROVIDER.format(name=one.provider, dialect=one.dialect, port=replay.port,
                         prefix=one.prefix)
        for one in LANES.values()
    ]  # fmt: skip
    models = [
        _MODEL.format(name=name, provider=lane_of(record).provider)
        for record in recordings
        for name in names_of(record)
    ]
    retry = [_RETRY] if "retry" in Settings.__struct_fields__ else []
    (folder / "callgate.toml").write_text("".join([_HEAD, *retry, *providers, *models]))
    with serving(folder) as running_gateway:
        yield running_gateway


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table of all replays, whichever process they ran in."""
    told = [
        prop
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        for prop in getattr(report, "user_properties", ())
    ]
    rows: list[Row] = [row for name, text in told if name == ROWS for row in json.loads(text)]
    if not rows:
        return
    notes = [note for name, text in told if name == NOTES for note in json.loads(text)]
    lines = render(rows, notes)
    terminalreporter.section("replay of recorded traffic")
    for line in lines:
        terminalreporter.write_line(line)
