"""What was last read from the store, in files, for a worker that starts while the store is away."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from callgate.core.override import Override
from callgate.store.base import Key
from callgate.store.wholefile import write_whole

T = TypeVar("T", bound=Struct)


class _Remembered(Generic[T]):
    """One file of things of one kind, for its owner alone."""

    def __init__(self, path: Path, decoder: msgspec.json.Decoder[list[T]]) -> None:
        self._path = path
        self._decoder = decoder

    def write(self, things: Iterable[T]) -> None:
        """Replace what is remembered, in one step. What cannot be written is not remembered."""
        with suppress(OSError):
            write_whole(self._path, msgspec.json.encode(list(things)))

    def read(self) -> list[T] | None:
        """What is remembered; None where there is nothing sound."""
        try:
            return self._decoder.decode(self._path.read_bytes())
        except (OSError, ValueError):
            return None


class RememberedKeys(_Remembered[Key]):
    """The keys; like the store it has their digests, not the keys."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, msgspec.json.Decoder(list[Key]))


class RememberedOverrides(_Remembered[Override]):
    """What operators have set of models and accounts."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, msgspec.json.Decoder(list[Override]))
