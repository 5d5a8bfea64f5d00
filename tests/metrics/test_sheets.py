"""Figures of several processes as one."""

from __future__ import annotations

import os
from pathlib import Path

from callgate.core.allowance import Filled, Rule
from callgate.core.limits import Period
from callgate.core.pricing import NANO
from callgate.metrics.gauges import gauges
from callgate.metrics.sheets import Sheet, read
from callgate.metrics.tally import Series, Snapshot

NOW = 2_000_000_000.0


def sheet(folder: Path, name: str, snapshot: Snapshot, age: float = 0.0) -> Sheet:
    made = Sheet(folder, name)
    made.write(snapshot)
    for path in folder.glob(f"{name}-*"):
        os.utime(path, (NOW - age, NOW - age))
    return made


def test_sheets_are_added_up(tmp_path: Path) -> None:
    name = "callgate_request_seconds"
    sheet(tmp_path, "a", {name: [Series(("m", "p"), 1.5, [1, 0, 2])]})
    sheet(tmp_path, "b", {name: [Series(("m", "p"), 0.5, [0, 1, 1]), Series(("n", "p"), 1, [1])]})
    both, alone = read(tmp_path, NOW)[name]
    assert both == Series(("m", "p"), 2.0, [1, 1, 3])
    assert alone == Series(("n", "p"), 1, [1])


def test_where_nothing_new_can_be_written_the_old_sheet_is_written_over(tmp_path: Path) -> None:
    made = Sheet(tmp_path, "a")
    made.write({"callgate_streams_open": [Series((), 12345.0)]})
    (path,) = tmp_path.iterdir()
    path.with_suffix(".writing").mkdir()  # as good as a full disk
    size = path.stat().st_size
    made.write({"callgate_streams_open": [Series((), 7.0)]})
    assert read(tmp_path, path.stat().st_mtime) == {"callgate_streams_open": [Series((), 7.0)]}
    made.write({"callgate_requests": [Series(("m" * size,), 1.0)]})  # there is no room for it
    assert read(tmp_path, path.stat().st_mtime) == {"callgate_streams_open": [Series((), 7.0)]}
    assert path.stat().st_size == size


def test_of_circuits_the_most_open_counts(tmp_path: Path) -> None:
    for name, state in (("a", "closed"), ("b", "open"), ("c", "half-open")):
        told = gauges(
            in_progress=2,
            queued=0,
            streams=1,
            circuits=[("p/m", state)],
            connections=[("h", 5, 3, 1)],
            outages=1,
            held=0,
            lost=0,
            degraded=[],
            filled=[],
        )
        sheet(tmp_path, name, told)
    found = read(tmp_path, NOW)
    assert found["callgate_circuit_open"] == [Series(("p/m",), 1.0)]
    assert found["callgate_workers"] == [Series((), 3)]
    assert found["callgate_counters_outages"] == [Series((), 3)]
    assert found["callgate_requests_in_progress"] == [Series((), 6)]
    assert {line.labels[1]: line.value for line in found["callgate_upstream_connections"]} == {
        "busy": 6, "idle": 9, "waiting": 3,
    }  # fmt: skip


def test_the_sheet_of_a_fallen_process_is_removed(tmp_path: Path) -> None:
    sheet(tmp_path, "dead", {"callgate_workers": [Series((), 1)]}, age=60)
    sheet(tmp_path, "live", {"callgate_workers": [Series((), 1)]})
    assert read(tmp_path, NOW)["callgate_workers"] == [Series((), 1)]
    assert [path.name.partition("-")[0] for path in tmp_path.iterdir()] == ["live"]


def test_what_is_no_sheet_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "torn.sheet").write_text('{"callgate_workers": [[')
    os.utime(tmp_path / "torn.sheet", (NOW, NOW))
    kept = sheet(tmp_path, "live", {"callgate_workers": [Series((), 1)], "unknown": []})
    assert read(tmp_path, NOW) == {"callgate_workers": [Series((), 1)]}
    kept.close()
    assert not list(tmp_path.glob("live-*"))


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    Sheet(tmp_path / "file" / "below", "a").write({})


def test_limits_are_told_in_their_own_measure_and_by_the_worker_that_saw_the_most(
    tmp_path: Path,
) -> None:
    budget = Rule("spend", "key", "key_1", Period.MONTH, 25 * NANO, "a")
    tokens = Rule("tokens", "account", "", Period.WINDOW, 1000, "b")
    for name, spent in (("a", 3), ("b", 5)):
        told = gauges(
            in_progress=0,
            queued=0,
            streams=0,
            circuits=[],
            connections=[],
            outages=0,
            held=0,
            lost=0,
            degraded=[],
            filled=[Filled("acme", budget, spent * NANO // 2), Filled("acme", tokens, 70)],
        )
        sheet(tmp_path, name, told)
    found = read(tmp_path, NOW)
    month = ("acme", "key", "key_1", "month")
    assert found["callgate_budget_limit_usd"] == [Series(month, 25.0)]
    assert found["callgate_budget_spent_usd"] == [Series(month, 2.5)]
    assert found["callgate_token_limit"] == [Series(("acme", "account", ""), 1000)]
    assert found["callgate_token_limit_used"] == [Series(("acme", "account", ""), 70)]
