"""Captures that cannot be kept are counted and told of."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from callgate.capture.keeper import CaptureKeeper
from callgate.core.directory import Directory
from callgate.core.ids import uuid7
from callgate.engine.call import Call
from callgate.store.base import Key

OWNER = Key(id="key_1", digest=b"", hint="", name="", account="", region="", created=0)


def keeper_in(folder: Path) -> CaptureKeeper:
    return CaptureKeeper(
        folder,
        Directory({}, {}, region="us", endpoints={}),
        b"{}",
        {},
        gateway="1",
        max_bytes=100,
    )


def taped(keeper: CaptureKeeper, number: int) -> Call:
    call = Call(uuid7(1_700_000_000_000, number), 0.0, "POST", "/")
    call.key, call.model = OWNER, "m"
    call.tape = keeper.tape(call.request_id, "all", 0)
    call.tape.wanted = True
    return call


def test_a_disk_that_fails_loses_captures_and_is_told_of_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "captures").write_text("a file in the folder's place")
    with closing(keeper_in(tmp_path / "captures")) as keeper:
        for number in range(3):
            keeper.keep(taped(keeper, number))
    assert keeper.lost == 3
    assert [one.getMessage() for one in caplog.records] == ["captures are lost"]
