"""What killed processes left half-made in the data folder; in the journal the shipper sweeps."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

_ABANDONED_SECONDS = 60.0
# As their writers name them until they are whole: with the number of the process.
_HALF_MADE = re.compile(
    r"(keys\.json|overrides\.json|prices|limits\.(processes|table|windows))\.[0-9]+"
)


def sweep(folder: Path, metrics: Path | None, now: float) -> None:
    """Delete what nobody has written to for a minute. `now` is Unix seconds. Never raises.

    In `metrics` a process that is alive writes each second.
    """
    with suppress(OSError):
        found = [path for path in folder.iterdir() if _HALF_MADE.fullmatch(path.name)]
        if metrics is not None and metrics.is_dir():
            found += metrics.iterdir()
        for path in found:
            with suppress(OSError):
                if now - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
