"""The files in which processes tell their figures: a sheet each, in one folder.

Whoever answers `GET /metrics` reads all of them, so the figures are those of the whole gateway,
whichever worker is asked.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from callgate.metrics.families import FAMILIES
from callgate.metrics.tally import Series, Snapshot

_SUFFIX = ".sheet"
_FRESH_SECONDS = 10.0
_MAX_BYTES = 16 << 20
_ROOM = 16 << 10  # a sheet's size is a multiple of it, so that it can be written to in place
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Snapshot).decode


class Sheet:
    """The sheet of this process. `name` tells its kind: `clerk`, `worker`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._path = folder / f"{name}-{os.getpid()}{_SUFFIX}"

    def write(self, snapshot: Snapshot) -> None:
        """Put these figures in place of the last. Never raises: figures are not worth a failure."""
        told = _encode(snapshot)
        told = told.ljust(-(-len(told) // _ROOM) * _ROOM)  # JSON may be followed by spaces
        fresh = self._path.with_suffix(".writing")
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            fresh.write_bytes(told)
            fresh.replace(self._path)
        except OSError:
            self._overwrite(told, fresh)

    def _overwrite(self, told: bytes, fresh: Path) -> None:
        """Write where the last figures lie: a full disk has room for that, and is worth knowing of.

        Who reads meanwhile gets figures of either.
        """
        with contextlib.suppress(OSError):
            fresh.unlink()
        with contextlib.suppress(OSError), self._path.open("r+b", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            if len(told) <= size:
                file.write(told.ljust(size))

    def close(self) -> None:
        """Take the sheet away: what it told is over."""
        with contextlib.suppress(OSError):
            self._path.unlink()


def read(folder: Path, now: float) -> Snapshot:
    """All sheets as one: added up, or the highest of a family that is so defined.

    `now` is Unix seconds; the sheet of a process that has fallen is passed over, and removed.
    """
    series: dict[str, dict[tuple[str, ...], Series]] = {}
    for sheet in _fresh(folder, now):
        for name, lines in sheet.items():
            if name not in FAMILIES:
                continue
            family = series.setdefault(name, {})
            for line in lines:
                known = family.get(line.labels)
                if known is None:
                    family[line.labels] = line
                elif FAMILIES[name].most:
                    known.value = max(known.value, line.value)
                else:
                    known.value += line.value
                    known.buckets = [
                        one + other for one, other in zip(known.buckets, line.buckets, strict=True)
                    ]
    return {name: list(lines.values()) for name, lines in series.items()}


def _fresh(folder: Path, now: float) -> Iterator[Snapshot]:
    for path in sorted(folder.glob(f"*{_SUFFIX}")):
        with contextlib.suppress(OSError, ValueError):
            if now - path.stat().st_mtime > _FRESH_SECONDS:
                path.unlink()
            else:
                yield _read(path)


def _read(path: Path) -> Snapshot:
    try:
        return _decode(path.read_bytes()[:_MAX_BYTES])
    except ValueError:  # it may have been overwritten just then
        return _decode(path.read_bytes()[:_MAX_BYTES])
