"""What the providers' tests share."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from callgate.core.target import Target

from .samples import Record, target_of

RECORDINGS = Path(
    os.environ.get("CALLGATE_RECORDINGS")
    or Path(__file__).parents[3] / "shared" / "recordings" / "shared.jsonl"
)


@pytest.fixture
def target() -> Target:
    return target_of()


@pytest.fixture(scope="session")
def recordings() -> Callable[[str], list[Record]]:
    """The recordings of an endpoint."""
    if not RECORDINGS.exists():
        pytest.skip(f"no recordings at {RECORDINGS}; set CALLGATE_RECORDINGS to their file")
    if RECORDINGS.name != "shared.jsonl":
        pytest.skip("these tests hold facts of shared.jsonl; tests/replay takes any recordings")
    with RECORDINGS.open(encoding="utf-8") as lines:
        records = [json.loads(line) for line in lines]
    return lambda endpoint: [one for one in records if one["endpoint"] == endpoint]
