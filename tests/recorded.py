"""Every captured request of a gateway, through the gateway once more: the same, byte for byte?"""

from __future__ import annotations

import logging
import os
from collections.abc import Container, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from callgate.capture import files
from callgate.core.captured import Captured
from callgate.core.record import Record
from callgate.replay.verdict import replayed

FORCED = "CALLGATE_TESTS_CAPTURE"
"""The variable that has every gateway of the tests capture all; `pytest --capture-all` sets it."""


def config_to_capture(text: str) -> str:
    """A configuration as the run wants it: with everything captured, where that is forced."""
    if not os.environ.get(FORCED) or "[capture]" in text:
        return text
    return f'{text}\n[capture]\npayloads = "all"\nmax_bytes = 67108864\n'


def captures_in(folder: Path) -> list[Path]:
    """The files of all captures below a folder."""
    return sorted(folder.rglob(f"*{files.SUFFIX}"))


def differing(paths: list[Path], known: Container[Path] = ()) -> dict[str, list[str]]:
    """What comes out otherwise when these captures are replayed, by request; empty: nothing.

    `known` are passed over, and so is what is cut: it was larger than is kept. A thread does it,
    for the caller may have a loop of its own.
    """
    wanted = [path for path in paths if path not in known]
    if not wanted:
        return {}
    log = logging.getLogger("callgate")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)  # what is logged was logged by the gateway
    try:
        with ThreadPoolExecutor(1) as thread:
            return dict(thread.submit(lambda: list(_differing(wanted))).result())
    finally:
        log.setLevel(level)


def _differing(paths: list[Path]) -> Iterator[tuple[str, list[str]]]:
    for path in paths:
        captured = files.read(path)
        if captured.cut:
            continue
        record = msgspec.json.decode(captured.record, type=Record)
        if told := differences_of(captured, record):
            what = f"{record.model} {'streamed' if record.stream else 'whole'} {record.error or ''}"
            yield f"{captured.request_id} {what}", told


def differences_of(captured: Captured, record: Record) -> list[str]:
    """What comes out otherwise of one: in the response, in what is sent, in the record."""
    again, told = replayed(captured)
    before, after = _outcome(record), again.record and _outcome(again.record)
    if before != after:
        told.append(f"record: recorded {before}, now {after}")
    return told


def _outcome(record: Record) -> object:
    tried = [(one.model, one.deployment, one.status, one.error) for one in record.attempts]
    return record.status, record.error, record.message, record.usage, tried
