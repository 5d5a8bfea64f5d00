"""Small files that are replaced in one step: whoever reads one finds the old or the new content."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, data: bytes) -> None:
    """Put the data in place of the file, for its owner alone; the folder is made if need be.

    Raises OSError; then the file is as it was. What a killed process leaves, `leftovers` sweeps.
    """
    partial = path.with_name(f"{path.name}.{os.getpid()}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(data)
        partial.replace(path)
    except OSError:  # the disk is full
        partial.unlink()
        raise
