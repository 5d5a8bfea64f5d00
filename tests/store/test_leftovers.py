"""What killed processes left half-made in the data folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from callgate import prices
from callgate.metrics.sheets import Sheet
from callgate.store.counters.handover import HandoverCounters
from callgate.store.counters.mapped import MappedCounters
from callgate.store.counters.roster import Roster
from callgate.store.leftovers import sweep
from callgate.store.remembered import RememberedKeys, RememberedOverrides

WRITERS: dict[str, Callable[[Path], object]] = {
    "keys.json": lambda path: RememberedKeys(path).write([]),
    "overrides.json": lambda path: RememberedOverrides(path).write([]),
    "prices.json": lambda path: prices.load([], path),
    "limits.processes": lambda path: Roster(path).write(2),
    "limits.windows": lambda path: HandoverCounters(path).retire(),
    "limits.table": lambda path: MappedCounters(path, slots=4).close(),
}


class Killed(BaseException):
    """Stands for the end of the process: nobody catches it."""


def killed(_path: Path, _target: Path) -> None:
    raise Killed


def test_a_minute_later_it_is_gone_and_what_is_whole_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = tmp_path / "metrics"
    Sheet(metrics, "worker").write({})
    for name, write in WRITERS.items():
        write(tmp_path / name)
    with (tmp_path / "limits.table").open("r+b") as table:
        table.seek(8)
        table.write(bytes(8))  # of another version, hence replaced
    (tmp_path / "prices.json").write_bytes(b"")  # of another day
    whole = set(tmp_path.iterdir())
    monkeypatch.setattr(Path, "replace", killed)
    for name, write in WRITERS.items():
        with pytest.raises(Killed):
            write(tmp_path / name)
    half = set(tmp_path.iterdir()) - whole
    assert len(half) == len(WRITERS)
    sweep(tmp_path, metrics, time.time())
    assert set(tmp_path.iterdir()) == whole | half
    sweep(tmp_path, metrics, time.time() + 61)
    assert set(tmp_path.iterdir()) == whole
    assert list(metrics.iterdir()) == []
    sweep(tmp_path / "none", None, time.time())
