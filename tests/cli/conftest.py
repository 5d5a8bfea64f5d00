"""A gateway's home: a configuration, its real store and its real journal, and the command line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result

from callgate.cli.main import callgate
from callgate.core.record import Record
from callgate.store.base import Store
from callgate.store.journal.journal import Journal
from callgate.store.opening import open_store
from samples import booked

CONFIG = """
region = "us"
[region_endpoints]
eu = "https://eu.example.com"
[support]
contact = "support@example.com"
[store]
retention_days = 30
[providers.openai]
api_key = "sk-planted-provider-key"
[models."gpt-4.1"]
provider = "openai"
"""


class Home:
    """A folder with a configuration, and what is in its store and journal."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "callgate.toml"
        self.config.write_text(CONFIG)
        self.data = folder / "callgate-data"

    def run(self, *arguments: str) -> Result:
        """Run a command in this home, in this process."""
        return CliRunner(env={"COLUMNS": "100"}).invoke(
            callgate, [*arguments, "--config", str(self.config)]
        )

    def json(self, *arguments: str) -> list[dict[str, Any]]:
        """Run a command that succeeds with --json; the objects it printed, a line each."""
        result = self.run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    def store(self) -> Store:
        """The store, as another process would open it."""
        return open_store(f"sqlite:///{self.data / 'callgate.db'}")

    def ship(self, *records: Record) -> None:
        """Put records into the store."""
        store = self.store()
        store.requests.append_many(booked(*records))
        store.close()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def journal(home: Home) -> Iterator[Callable[..., None]]:
    """Appends records to the journal of a writer that stays open."""
    writer = Journal(home.data / "journal")

    def append(*records: Record) -> None:
        for record in records:
            writer.append(msgspec.json.encode(record))

    yield append
    writer.close()
