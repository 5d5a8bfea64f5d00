"""A pytest plugin: the embedded model's real weights, one file for the whole session.

Taken from `CALLGATE_TEST_WEIGHTS`, else from the data folder of this checkout, where `make test`
puts them; fetched into that folder when they are missing.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callgate.local.weights import fetch

DATA_DIR = Path(__file__).parent.parent / "callgate-data"


@pytest.fixture(scope="session")
def weights() -> Path:
    """The path of SmolLM2-135M-Instruct as a .gguf file."""
    given = os.environ.get("CALLGATE_TEST_WEIGHTS")
    return Path(given) if given else fetch(DATA_DIR, lambda done, total: None)
