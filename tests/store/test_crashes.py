"""Death and failure at each single call between a record's append and its end in the store."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from callgate.core.entry import entries_of
from callgate.store.base import Query, UsageQuery
from callgate.store.journal import segments
from callgate.store.journal.shipper import Shipper
from callgate.store.opening import open_store

TESTS = Path(__file__).parent.parent


def test_whichever_call_kills_or_fails_each_record_is_kept_once_and_nothing_is_left_over(
    tmp_path: Path,
) -> None:
    path = os.pathsep.join([str(TESTS), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "store.faulty", str(tmp_path / "journals")],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    runs = [json.loads(line) for line in done.stdout.splitlines()]
    dead = sum(not run["struck"] for run in runs)
    assert dead > 30
    kept = {record for run in runs for record in run["kept"]}
    with closing(open_store(f"sqlite:///{tmp_path}/callgate.db")) as store:
        for run in runs:
            assert run["struck"] or run["error"] is None, run
            entries, _ = entries_of([body.encode() for body in run["stored"]])
            store.requests.append_many(entries)
            # Then comes the next process. What was left half-made is an hour old by now.
            folder = Path(run["folder"])
            shipper = Shipper(folder, store.requests, lambda: time.time() + 3600)
            fd, _ = segments.create(folder)
            while shipper.ship():
                pass
            os.close(fd)
            shipper.ship()
            assert (shipper.trouble, shipper.damaged) == (None, 0), run
            assert list(folder.iterdir()) == [], run
        stored = [one.request_id for one in store.requests.find(Query(limit=100_000))]
        (total,) = store.requests.usage(UsageQuery())
    assert kept <= set(stored)
    assert len(stored) == len(set(stored)) == total.requests
    assert len(stored) - len(kept) <= dead  # of those that died between keeping and telling
