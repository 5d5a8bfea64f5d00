"""The keys as last read, in a file: for a worker that starts while the store is away."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from callgate.store.base import Key


class RememberedKeys:
    """One file, for its owner alone; like the store it has the keys' digests, not the keys."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, keys: Iterable[Key]) -> None:
        """Replace what is remembered, in one step. What cannot be written is not remembered."""
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(fd, "wb") as file:
                file.write(msgspec.json.encode(list(keys)))
            partial.replace(self._path)

    def read(self) -> list[Key] | None:
        """What is remembered; None where there is nothing sound."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=list[Key])
        except (OSError, msgspec.MsgspecError):
            return None
