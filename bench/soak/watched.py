"""`python -m bench.soak.watched FILE …`: `callgate …` whose worker tells of itself in FILE.

Once a second it appends a line of JSON: its process id, and how many tasks its event loop has.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from callgate.__main__ import main

_PERIOD = 1.0


async def _tell(file: Path) -> None:
    with file.open("a", buffering=1) as out:
        while True:
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            out.write(json.dumps({"pid": os.getpid(), "tasks": len(tasks)}) + "\n")
            await asyncio.sleep(_PERIOD)


async def _beside(file: Path, serving: Coroutine[Any, Any, None]) -> None:
    telling = asyncio.create_task(_tell(file))
    try:
        await serving
    finally:
        telling.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await telling


def watch(file: Path) -> None:
    """Have the worker, which is forked from this process, tell of itself from its start on."""
    run = uvloop.run

    def watched(serving: Coroutine[Any, Any, None], **options: Any) -> None:
        run(_beside(file, serving), **options)

    setattr(uvloop, "run", watched)  # noqa: B010 - it is generic, and here it need not be


if __name__ == "__main__":
    watch(Path(sys.argv.pop(1)))
    main()
