"""What may be installed: pinned, on each Python that the project is for; the base is small."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
_PINNED = {
    canonicalize_name(line.partition("==")[0])
    for line in (ROOT / "constraints.txt").read_text().splitlines()
}
# The first of each, as Debian 12 has one of 3.11 that needs more than later ones.
_PYTHONS = [("3.11", "3.11.0"), ("3.12", "3.12.0"), ("3.13", "3.13.0"), ("3.14", "3.14.0")]


def needed(requirements: list[str], extra: str) -> Iterator[Requirement]:
    """Those of the requirements that hold on any of the Pythons."""
    for one in map(Requirement, requirements):
        for short, full in _PYTHONS:
            named = {"python_version": short, "python_full_version": full, "extra": extra}
            if one.marker is None or one.marker.evaluate(named):
                yield one
                break


def everything(asked: list[str]) -> set[tuple[str, str]]:
    """All that these requirements lead to, each with the extra by which it is wanted."""
    waiting = list(needed(asked, ""))
    seen: set[tuple[str, str]] = set()
    while waiting:
        one = waiting.pop()
        for extra in ("", *one.extras):
            if (one.name, extra) in seen:
                continue
            seen.add((one.name, extra))
            try:
                requires = distribution(one.name).requires or []
            except PackageNotFoundError:  # of another Python; what it needs is seen there
                continue
            waiting += needed(requires, extra)
    return seen


def test_all_that_may_be_installed_is_pinned() -> None:
    extras: dict[str, list[str]] = _PROJECT["optional-dependencies"]
    asked = [one for group in (_PROJECT["dependencies"], *extras.values()) for one in group]
    # setuptools is taken out again after an installation.
    named = {canonicalize_name(name) for name, _ in everything(asked)}
    assert named - {"setuptools"} <= _PINNED


def test_a_base_installation_stays_small() -> None:
    names = {canonicalize_name(name) for name, _ in everything(_PROJECT["dependencies"])}
    assert len(names) < 30, names  # with Callgate itself, at most
    own = sum(file.stat().st_size for file in (ROOT / "src").rglob("*") if file.is_file())
    assert own + sum(map(installed_bytes, names)) <= 80_000_000


def installed_bytes(name: str) -> int:
    """What an installed package takes on the disk; nothing if it is only for another Python."""
    try:
        files = distribution(name).files or []
    except PackageNotFoundError:
        return 0
    located = (Path(str(file.locate())) for file in files)
    return sum(file.stat().st_size for file in located if file.is_file())
