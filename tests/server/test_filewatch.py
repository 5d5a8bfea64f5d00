"""Where no file is left for another connection: idle callers make way, and the log says why."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest

from callgate.files import Files
from callgate.server.filewatch import watch


class Connection:
    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def make_way(self) -> None:
        self.asked.set()


async def test_connections_are_asked_to_make_way_for_who_was_refused_and_the_log_tells_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    files, one = Files(1 << 20), Connection()
    watching = asyncio.create_task(watch(files, cast("Any", {one}), pause=0))
    with caplog.at_level(logging.WARNING, "callgate.worker"):
        for _ in range(5):
            await asyncio.sleep(0)
        assert not one.asked.is_set()
        for _ in range(2):
            files.refuse()
            await one.asked.wait()
            one.asked.clear()
    watching.cancel()
    (line,) = caplog.records
    assert "LimitNOFILE" in cast("Any", line).fix
