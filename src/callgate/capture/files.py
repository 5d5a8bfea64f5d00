"""The files of captures: `<day>/<hour>/<request id>.capture`, gzip of MessagePack.

A file for each request: writers in any number of processes need no agreement, the oldest are found
by their folders, and deleting one touches no other. A file gets its name when it is whole.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from callgate.core.captured import FORMAT, Captured
from callgate.core.ids import is_request_id, unix_ms

SUFFIX = ".capture"
_OPENING = ".opening"
_LEVEL = 6
_MAX_BYTES = 1 << 30
_DAY = 86400.0
_ABANDONED = 3600.0
_FORMATS = msgspec.msgpack.Decoder(dict[str, msgspec.Raw])


class CaptureError(Exception):
    """A capture cannot be read; the message says why, for people."""


class Held(NamedTuple):
    """What a folder holds after it was pruned: files, bytes; and how many files were deleted."""

    files: int
    bytes: int
    deleted: int


def place(request_id: str) -> str:
    """Where the capture of a request is, relative to the folder of captures."""
    at = datetime.fromtimestamp(unix_ms(request_id) / 1000, UTC)
    return f"{at:%Y-%m-%d/%H}/{request_id}{SUFFIX}"


def write(folder: Path, captured: Captured) -> Path:
    """Keep a capture, in one step; its file. Raises OSError."""
    path = folder / place(captured.request_id)
    for parent in (folder, path.parent.parent, path.parent):
        parent.mkdir(mode=0o700, parents=parent is folder, exist_ok=True)
    data = gzip.compress(msgspec.msgpack.encode(captured), _LEVEL, mtime=0)
    opening = path.with_suffix(f"{_OPENING}-{os.getpid()}")
    fd = os.open(opening, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        opening.replace(path)
    except OSError:
        opening.unlink(missing_ok=True)
        raise
    return path


def find(folder: Path, request_id: str) -> Path | None:
    """The file of a request's capture, if there is one."""
    if not is_request_id(request_id):
        return None
    path = folder / place(request_id)
    return path if path.is_file() else None


def read(path: Path) -> Captured:
    """The capture in a file. Raises CaptureError."""
    try:
        with gzip.open(path) as file:
            data = file.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise CaptureError(f"there is no file {path}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise CaptureError(f"{path} cannot be read: {error}") from None
    if len(data) > _MAX_BYTES:
        raise CaptureError(f"{path} holds more than 1 GiB")
    try:
        found = msgspec.msgpack.decode(_FORMATS.decode(data).get("format", b"\xc0"))
        if found != FORMAT:
            raise CaptureError(
                f"{path} is in format {found}, this version of Callgate reads {FORMAT}"
            )
        captured = msgspec.msgpack.decode(data, type=Captured)
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"{path} is not a capture: {error}") from None
    if not is_request_id(captured.request_id):  # it becomes a part of files' names
        raise CaptureError(f"{path} is not a capture: its request id is invalid")
    return captured


def prune(folder: Path, now: float, days: float, total: int) -> Held:
    """Delete what is older than `days`, then the oldest until at most `total` bytes are left.

    `now` is Unix seconds; also what killed writers left half-made goes. Raises OSError.
    """
    held = size = deleted = 0
    full = False
    # The newest first: from where the sum is too large on, everything is too much. What is dated
    # beyond now comes last: a clock that was ahead has, and it would keep new ones out for as long.
    soon = f"{datetime.fromtimestamp(now + _ABANDONED, UTC):%Y-%m-%d/%H}"
    hours = ((f"{hour.parent.name}/{hour.name}", hour) for hour in _hours(folder))
    for _, _, hour in sorted(((name <= soon, name, hour) for name, hour in hours), reverse=True):
        for path, stat in _files(hour):
            age = now - stat.st_mtime
            opening = path.suffix != SUFFIX
            if opening and age < _ABANDONED:
                continue
            old = opening or age > days * _DAY
            full = full or (not old and size + stat.st_size > total)
            if old or full:
                path.unlink(missing_ok=True)
                deleted += 1
            else:
                held += 1
                size += stat.st_size
        for empty in (hour, hour.parent):
            # Not empty, or a writer has just come.
            with contextlib.suppress(OSError):
                if now - empty.stat().st_mtime > _ABANDONED:
                    empty.rmdir()
    return Held(held, size, deleted)


def _hours(folder: Path) -> Iterator[Path]:
    for day in _folders(folder):
        yield from _folders(day)


def _folders(folder: Path) -> Iterator[Path]:
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    """The files of a folder, the newest first."""
    found = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                if entry.is_file(follow_symlinks=False):
                    found.append((Path(entry.path), entry.stat(follow_symlinks=False)))
    return sorted(found, key=lambda one: one[0].name, reverse=True)
