"""What was spent, by the store and the journal together: each record once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from callgate.store import spending
from callgate.store.base import RequestLog, Usage, UsageQuery
from callgate.store.journal.journal import Journal
from callgate.store.journal.shipper import Shipper
from callgate.store.opening import open_store
from samples import answered


class Shipping:
    """A log of requests; the clerk ships everything while it is asked, or after it."""

    def __init__(self, log: RequestLog, ship: Callable[[], Any]) -> None:
        self.log, self.ship = log, ship

    def usage(self, query: UsageQuery) -> Sequence[Usage]:
        found = self.log.usage(query)
        self.ship()
        return found


@pytest.mark.parametrize("when", ["while the store is asked", "while the journal is read"])
def test_what_is_shipped_meanwhile_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    folder = tmp_path / "journal"
    with (
        closing(open_store(f"sqlite:///{tmp_path}/callgate.db")) as store,
        closing(Journal(folder)) as journal,
    ):
        for _ in range(3):
            journal.append(msgspec.json.encode(answered(cost_usd=0.5)))
        shipper = Shipper(folder, store.requests, time.time)
        log = store.requests
        if when == "while the store is asked":
            log = cast("RequestLog", Shipping(log, shipper.ship))
        else:
            scan = spending.scan

            def read(folder: Path) -> Any:
                yield from scan(folder)
                shipper.ship()

            monkeypatch.setattr(spending, "scan", read)
        spent = spending.spent_since(log, folder, datetime.now(UTC).date().replace(day=1))
    assert sum(one.cost for one in spent) == 1.5
