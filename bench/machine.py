"""The machine that the figures hold for, and how quiet it was."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from msgspec import Struct

from callgate.cli.build import compiled


class Machine(Struct, kw_only=True):
    """What decides about the figures besides the programs. `load` is the average over a minute,
    `build` how Callgate was built.
    """

    processor: str
    cores: int
    kernel: str
    python: str
    build: str
    load: float


def machine() -> Machine:
    """The machine as it is now."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return Machine(
        processor=names[0] if names else platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        kernel=platform.release(),
        python=platform.python_version(),
        build="compiled" if compiled() else "interpreted",
        load=os.getloadavg()[0],
    )


def stolen() -> tuple[int, int]:
    """Ticks that the hypervisor took from this machine, and all ticks, since its start."""
    ticks = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return ticks[7], sum(ticks)
