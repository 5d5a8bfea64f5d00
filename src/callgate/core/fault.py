"""One mistake in a value that somebody sent or wrote, and the list of them."""

from __future__ import annotations

from typing import Any, NamedTuple

from callgate.core.fieldpath import MAX_NAME, join

MAX_FAULTS = 1000
MAX_UNKNOWN = 20_000


class Fault(NamedTuple):
    """A mistake at `path`; `missing` means that a required field is absent."""

    path: str
    message: str
    missing: bool = False

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path and not self.missing else self.message


def absent(path: str) -> Fault:
    """The fault of a required field that is absent."""
    return Fault(path, f"missing required field '{path}'", missing=True)


class Full(Exception):  # noqa: N818 - a signal
    """As many faults have been found as will be reported."""


class Findings:
    """Collects faults, and the paths of what is unknown, up to a bound; then raises Full."""

    __slots__ = ("complete", "faults", "unknown")

    def __init__(self) -> None:
        self.faults: list[Fault] = []
        self.unknown: list[str] = []
        self.complete = True

    def add(self, fault: Fault) -> None:
        self.faults.append(fault)
        if len(self.faults) >= MAX_FAULTS:
            self.complete = False
            raise Full

    def fault(self, path: str, message: str) -> None:
        self.add(Fault(path, message))

    def absent(self, path: str) -> None:
        self.add(absent(path))

    def unknown_at(self, path: str) -> None:
        if len(self.unknown) == MAX_UNKNOWN:
            self.faults.append(Fault("", f"more than {MAX_UNKNOWN} unknown fields"))
            self.complete = False
            raise Full
        self.unknown.append(path)

    def unknown_key(self, path: str, key: Any) -> None:
        where = join(path, key)
        if isinstance(key, str) and len(key) <= MAX_NAME:
            self.unknown_at(where)
        else:
            self.fault(where, "unknown field with an overlong name")
