"""Captures that cannot be kept are counted and told of."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import cast

import pytest

from callgate.capture import files
from callgate.capture.keeper import CaptureKeeper
from callgate.core.directory import Directory
from callgate.core.ids import uuid7
from callgate.core.models import Model
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
    call.key, call.model = OWNER, Model(name="m", deployments=())
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


def test_more_than_can_wait_is_lost_and_not_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("callgate.capture.keeper._HELD", 0)
    with closing(keeper_in(tmp_path)) as keeper:
        keeper.keep(taped(keeper, 1))
    assert keeper.lost == 1
    (told,) = caplog.records
    assert vars(told)["detail"] == "too many wait to be written"


def test_a_defect_loses_one_capture_and_not_the_next(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(keeper_in(tmp_path)) as keeper:
        broken, sound = taped(keeper, 1), taped(keeper, 2)
        assert broken.tape is not None
        broken.tape.status = cast("int", object())
        for call in (broken, sound):
            keeper.keep(call)
    assert keeper.lost == 1
    assert [vars(one)["request_id"] for one in caplog.records] == [broken.request_id]
    assert files.find(tmp_path, sound.request_id) is not None
