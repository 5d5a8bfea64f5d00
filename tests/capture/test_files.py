"""The files of captures: whole or not there, and not for ever."""

from __future__ import annotations

import ast
import gzip
import os
from pathlib import Path

import msgspec
import pytest

from callgate.capture import files
from callgate.core.captured import Caller, Captured, Failure, Piece, chosen
from callgate.core.ids import uuid7
from callgate.core.record import Record
from callgate.errors import GatewayError
from callgate.replay.regression import write_test

_DAY = 86400
_NOW = 1_795_000_000


def captured(request_id: str, body: bytes = b"{}") -> Captured:
    return Captured(
        gateway="1", machine="m", request_id=request_id, arrived=0.0, method="POST", path="/",
        caller=Caller(id="key_1", account="acme"), headers=[], body=body, status=200,
        answer_headers=[], pieces=[Piece(1, b"a"), Piece(2, b"b")], ended=True, cut=False,
        exchanges=[], windows=[], out=[], models=[], names=[], absent=[], settings=b"{}",
        record=b"{}",
    )  # fmt: skip


def written(folder: Path, at: int, body: bytes = b"{}") -> Path:
    path = files.write(folder, captured(uuid7(at * 1000, os.urandom(10)), body))
    os.utime(path, (at, at))
    return path


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    request_id = uuid7(1_795_000_000_000, os.urandom(10))
    path = files.write(tmp_path, captured(request_id))
    assert path.stat().st_mode & 0o777 == 0o600
    for folder in (path.parent, path.parent.parent):
        assert folder.stat().st_mode & 0o777 == 0o700
    assert files.find(tmp_path, request_id) == path
    assert str(path.relative_to(tmp_path)) == files.place(request_id)
    assert files.read(path) == captured(request_id)
    assert files.read(path).answer == b"ab"
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_cannot_be_put_in_its_place_leaves_nothing_behind(tmp_path: Path) -> None:
    one = captured(uuid7(1_795_000_000_000, os.urandom(10)))
    taken = tmp_path / files.place(one.request_id)
    taken.mkdir(parents=True)
    with pytest.raises(OSError, match=r"\[Errno"):
        files.write(tmp_path, one)
    assert list(taken.parent.iterdir()) == [taken]


def test_a_capture_of_another_version_is_told_from_a_damaged_one(tmp_path: Path) -> None:
    path = written(tmp_path, 1_795_000_000)
    newer = msgspec.structs.replace(files.read(path), format=files.FORMAT + 1)
    path.write_bytes(gzip.compress(msgspec.msgpack.encode(newer)))
    with pytest.raises(files.CaptureError, match=f"is in format {files.FORMAT + 1}"):
        files.read(path)


def test_what_unpacks_to_more_than_a_capture_may_hold_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, 1_795_000_000, b"x" * 10_000)
    monkeypatch.setattr(files, "_MAX_BYTES", 5_000)
    with pytest.raises(files.CaptureError, match="holds more than"):
        files.read(path)


def test_damage_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, 1_795_000_000)
    whole = path.read_bytes()
    for broken in (whole[:-9], b"", b"no gzip", whole[:40] + b"\x00" + whole[41:]):
        path.write_bytes(broken)
        with pytest.raises(files.CaptureError, match=r"cannot be read|is not a capture"):
            files.read(path)
    path.unlink()
    with pytest.raises(files.CaptureError, match="there is no file"):
        files.read(path)
    assert files.find(tmp_path, path.stem) is None
    assert files.find(tmp_path, "../../etc/passwd") is None


@pytest.mark.parametrize(
    "request_id", ["../../evil", "x", "01a2068e-3d66-79a0-8749-fd5a27b3c1f0/."]
)
def test_a_stranger_s_capture_names_no_other_file(tmp_path: Path, request_id: str) -> None:
    path = written(tmp_path, 1_795_000_000)
    forged = msgspec.msgpack.encode(captured(request_id))
    path.write_bytes(gzip.compress(forged))
    with pytest.raises(files.CaptureError, match="its request id is invalid"):
        files.read(path)


def test_a_capture_nested_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.capture"
    path.write_bytes(gzip.compress(b"\x81\xa6format" + b"\x91" * 200_000 + b"\x01"))
    with pytest.raises(files.CaptureError, match="is not a capture"):
        files.read(path)


def test_a_stranger_s_words_become_no_code(tmp_path: Path) -> None:
    request_id = uuid7(1_795_000_000_000, os.urandom(10))
    path = files.write(tmp_path / "captures", captured(request_id))
    record = Record(
        request_id=request_id, time=1, region="us", method="POST", path="/", status=502,
        error='"""\nraise SystemExit\n"""', model='"""\nraise SystemExit\n"""',
    )  # fmt: skip
    test, capture = write_test(files.read(path), record, path, tmp_path / "tests")
    (docstring, *rest) = ast.parse(test.read_text()).body
    assert isinstance(docstring, ast.Expr)
    assert not any(isinstance(one, ast.Raise) for one in rest)
    assert capture.read_bytes() == path.read_bytes()
    assert capture.stat().st_mode & 0o777 == 0o600


def test_what_is_old_goes_and_its_folders_too(tmp_path: Path) -> None:
    now = 1_795_000_000
    old, new = written(tmp_path, now - 8 * _DAY), written(tmp_path, now - 6 * _DAY)
    for folder in (old.parent, old.parent.parent):
        os.utime(folder, (now - 8 * _DAY, now - 8 * _DAY))
    held = files.prune(tmp_path, now, 7, 1 << 30)
    assert held == files.Held(1, new.stat().st_size, 1)
    assert new.exists()
    assert not old.exists()
    assert not old.parent.exists() or not list(old.parent.iterdir())


def test_beyond_the_bound_the_oldest_go(tmp_path: Path) -> None:
    now = 1_795_000_000
    made = [written(tmp_path, now - hours * 3600, os.urandom(1000)) for hours in range(5)]
    size = made[0].stat().st_size
    held = files.prune(tmp_path, now, 7, 3 * size + size // 2)
    assert held.files == 3
    assert [path.exists() for path in made] == [True, True, True, False, False]


def test_what_a_clock_that_was_ahead_has_dated_keeps_no_new_ones_out(tmp_path: Path) -> None:
    ahead = [written(tmp_path, _NOW + 366 * _DAY + hour * 3600) for hour in range(3)]
    new = [written(tmp_path, _NOW - hour * 3600) for hour in range(3)]
    largest = max(one.stat().st_size for one in (*ahead, *new))
    held = files.prune(tmp_path, _NOW, 30, 4 * largest)
    assert held.files == 4
    assert all(one.is_file() for one in new)
    assert [one.is_file() for one in ahead] == [False, False, True]


def test_what_a_killed_writer_left_goes_after_a_while(tmp_path: Path) -> None:
    now = 1_795_000_000
    path = written(tmp_path, now)
    for age in (10, 2 * 3600):
        left = path.with_suffix(f".opening-{age}")
        left.write_bytes(b"half")
        os.utime(left, (now - age, now - age))
    files.prune(tmp_path, now, 7, 1 << 30)
    assert {one.suffix for one in path.parent.iterdir()} == {".capture", ".opening-10"}
    assert files.prune(tmp_path / "none", now, 7, 1) == (0, 0, 0)


def test_a_failure_is_raised_again_as_it_was() -> None:
    error = GatewayError(
        "upstream_cut", "cut", errors=["a", "b"], fix="mend it", retry_after=2.0, detail="why"
    )
    again = Failure.of(error).error()
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    ("default", "key", "asked", "expected"),
    [
        ("none", None, False, "none"),
        ("errors", None, False, "errors"),
        ("all", "none", False, "none"),
        ("none", "errors", False, "errors"),
        ("none", "none", True, "all"),
        ("errors", None, True, "all"),
        ("all", "never", True, "none"),
        ("all", "never", False, "none"),
    ],
)
def test_the_key_has_the_last_word(default: str, key: str, asked: bool, expected: str) -> None:
    assert chosen(default, key, asked=asked) == expected  # type: ignore[arg-type]
