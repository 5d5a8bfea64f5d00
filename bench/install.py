"""What a base installation weighs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from bench.driver import ROOT
from bench.report import Figure, Target
from bench.subject import CALLGATE

_MEGABYTES = Target(80.0)
_PACKAGES = Target(30)


def weigh(folder: Path) -> tuple[float, int]:
    """Install into a fresh environment; megabytes and number of its packages, pip's own aside."""
    venv = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "-q", str(ROOT)]
    constraints = ROOT / "constraints.txt"
    if constraints.exists():
        command += ["-c", str(constraints)]
    subprocess.run(command, check=True, cwd=folder)
    site_packages = next((venv / "lib").glob("python*/site-packages"))
    own = ("pip", "setuptools", "_distutils_hack", "distutils-precedence")
    size = packages = 0
    for entry in site_packages.iterdir():
        if entry.name.startswith(own):
            continue
        packages += entry.name.endswith(".dist-info")
        files = [entry] if entry.is_file() else entry.rglob("*")
        size += sum(file.stat().st_size for file in files if file.is_file())
    return size / 1_000_000, packages


def install(folder: Path) -> list[Figure]:
    """What a base installation weighs."""
    size, packages = weigh(folder)
    return [
        Figure(
            scenario="install",
            metric="site-packages",
            unit="MB",
            rounds={CALLGATE: [size]},
            target=_MEGABYTES,
        ),
        Figure(
            scenario="install",
            metric="packages",
            unit="1",
            rounds={CALLGATE: [float(packages)]},
            target=_PACKAGES,
        ),
    ]
