"""An installation of a peer in a folder of its own, made once and kept."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.driver import ROOT
from bench.subject import StartError

PEERS = ROOT / "bench" / ".peers"
_PATIENCE = 900.0


def installed(name: str, version: str, steps: Sequence[Sequence[str]]) -> Path:
    """The folder of a peer, installed by these commands if it is not yet. Raises StartError."""
    folder = PEERS / f"{name}-{version}"
    done = folder / ".installed"
    if done.exists():
        return folder
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for step in steps:
        run(step, folder)
    done.touch()
    return folder


def run(command: Sequence[str], folder: Path) -> str:
    """Run a command in a folder; what it has said. Raises StartError with the end of its words."""
    try:
        ended = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"{command[0]}: {error}") from None
    if ended.returncode:
        raise StartError(f"{' '.join(command[:4])} …: {(ended.stderr or ended.stdout)[-600:]}")
    return ended.stdout


def weight(folder: Path, leave_out: Sequence[str] = ()) -> float:
    """Megabytes of all files below a folder, those entries of it aside whose names begin so."""
    size = 0
    for entry in folder.iterdir():
        if not entry.name.startswith(tuple(leave_out)):
            files = [entry] if entry.is_file() else entry.rglob("*")
            size += sum(file.stat().st_size for file in files if file.is_file())
    return size / 1_000_000


def environment(base: Mapping[str, str], **more: str) -> dict[str, str]:
    """An environment without keys of providers, which a peer would take up by itself."""
    return {name: value for name, value in base.items() if not name.endswith("_API_KEY")} | more
